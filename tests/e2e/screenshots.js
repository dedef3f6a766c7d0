/** Takes pictures of every view into $TARGET: NAME-light.png, NAME-dark.png, NAME-phone.png, NAME-vietnamese.png. */
import { join } from 'node:path'
import { ask, launch, makePicture, newDesigner, open, PAGE_URL, signIn } from './browser.js'
import { seeSigningIn, seeTrouble, seeWork } from './views.js'

const LOOKS = {
  light: {},
  dark: { colorScheme: 'dark' },
  phone: { phone: true, deviceScaleFactor: 2 },
  vietnamese: { locale: 'vi-VN' },
}
const WISHES = [
  { prompt: 'living room, a low green sofa before an arched window, soft morning light', style: 'Indochine', seed: 7 },
  { prompt: 'dining room, a long oak table, linen curtains', seed: 12, width: 768, height: 512 },
  { prompt: 'bedroom, calm, uncluttered, generous empty space', style: 'Minimalist', seed: 31 },
  { prompt: 'home office, walnut desk, shelves to the ceiling', seed: 45, width: 512, height: 680 },
  { prompt: 'kitchen, terrazzo floor, lush indoor plants', style: 'Indochine', seed: 3 },
  { prompt: 'café interior, rattan chairs, evening, warm lamp light', seed: 21, width: 768, height: 512 },
  { prompt: 'hotel lobby, lime plaster walls', style: 'Minimalist', seed: 64 },
]
const FULL = { width: 512, height: 512, steps: 12 }

const browser = await launch()
const designer = await newDesigner()
const ids = await ask('pictures', { email: designer.email, wishes: WISHES.map((wish) => ({ ...FULL, ...wish })) })
const [drawn] = await ask('drawn_picture', { email: designer.email, prompt: 'living room, as it was drawn, golden hour sunlight' })
const [four] = await ask('pictures', { email: designer.email, wishes: [{ ...FULL, prompt: 'living room, four ways to furnish it', count: 4, seed: 90 }] })
const token = await ask('share', { email: designer.email, id: drawn, seconds: 7 * 86_400 })

/** A window of a look, and how a picture is taken of it: when all that it shows has come, and nothing moves. */
async function opened(look) {
  const { page, context } = await open(browser, { ...LOOKS[look], reducedMotion: 'reduce' })
  const take = async (name, { full = false } = {}) => {
    await page.evaluate(async () => {
      const images = [...document.images].filter((one) => one.loading !== 'lazy')
      await Promise.all([document.fonts.ready, ...images.map((one) => one.decode().catch(() => {}))])
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
    })
    await page.screenshot({ path: join(process.env.TARGET, `${name}-${look}.png`), fullPage: full })
  }
  return { page, context, take }
}

for (const look of Object.keys(LOOKS)) {
  const { page, context, take } = await opened(look)
  await page.goto(PAGE_URL)
  await page.locator('#email').fill(designer.email)
  await page.locator('#password').fill(designer.password)
  await page.keyboard.press('Enter')
  await page.locator('article img').first().waitFor()
  await take('studio')
  await page.locator('summary').click()
  await take('studio-whole', { full: true })
  await page.locator('header button').click()
  await page.getByRole('menu').waitFor()
  await take('menu')
  await page.keyboard.press('Escape')
  await page.goto(`${PAGE_URL}/pictures`)
  await page.locator('li img').first().waitFor()
  await take('gallery')
  await page.goto(`${PAGE_URL}/pictures/${ids[0]}`)
  await page.locator('#recipe').waitFor()
  await take('picture')
  await page.goto(`${PAGE_URL}/pictures/${four}?n=2`)
  await page.locator('.strip').waitFor()
  await take('variations')
  await page.goto(`${PAGE_URL}/pictures/${drawn}`)
  await page.locator('#against').selectOption('drawing')
  await page.locator('.compare').waitFor()
  await take('compare')
  await page.getByRole('button', { name: /^(Share|Chia sẻ)$/ }).click()
  await page.getByRole('dialog').waitFor()
  await take('share')
  await page.goto(PAGE_URL)
  await drawRoom(page)
  await take('board')
  await page.keyboard.press('Escape')
  await page.goto(`${PAGE_URL}/shared/${token}`)
  await page.locator('figure').first().waitFor()
  await take('shared')
  await page.goto(`${PAGE_URL}/shared/nothing`)
  await page.getByRole('alert').waitFor()
  await take('shared-ended')
  await page.route('**/config.json', (route) => route.fulfill({ json: { stack: 'local', region: 'nowhere' } }))
  await page.goto(PAGE_URL)
  await page.locator('code').first().waitFor()
  await take('wrong-config')
  await context.close()
}

/** A room on the drawing board, with the grid that its lines follow. Places from the paper's middle; its shorter side has 512. */
async function drawRoom(page) {
  await page.locator('label', { hasText: /From a drawing|Từ bản vẽ/ }).click()
  await page.getByText('3:2', { exact: true }).click()
  await page.getByRole('button', { name: /Draw it on the board|Vẽ trên bảng vẽ/ }).click()
  await page.locator('dialog[aria-busy=false]').waitFor()
  await page.keyboard.press('g')
  const box = await page.getByRole('application').boundingBox()
  const unit = Math.min(box.width / 768, box.height / 512) * 0.9
  const draw = async (...points) => {
    for (const [n, [x, y]] of points.entries()) {
      await page.mouse.move(box.x + box.width / 2 + x * unit, box.y + box.height / 2 + y * unit, { steps: 8 })
      if (n === 0) await page.mouse.down()
    }
    await page.mouse.up()
  }
  await page.keyboard.press('r')
  await draw([-170, -130], [170, 70]) // the wall before one
  await draw([-70, -95], [70, 0]) // a window in it
  await page.keyboard.press('l')
  await draw([-170, -130], [-380, -240]) // ceiling and floor, from its corners
  await draw([170, -130], [380, -240])
  await draw([-170, 70], [-380, 230])
  await draw([170, 70], [380, 230])
  await draw([0, -95], [0, 0])
  await draw([-280, 142], [-280, -150]) // a door on the left
  await draw([-215, 99], [-215, -125])
  await draw([-280, -150], [-215, -125])
  await page.keyboard.press('b')
  await draw([-118, 190], [-122, 128], [-100, 118], [-92, 92], [92, 92], [100, 118], [122, 128], [118, 190], [-118, 190]) // a sofa
  await draw([-96, 122], [-92, 148], [92, 148], [96, 122])
  await draw([0, 96], [0, 146])
  await draw([236, 190], [240, 20]) // a lamp
  await draw([208, 22], [222, -34], [256, -34], [272, 22], [208, 22])
  await draw([-60, 214], [60, 214], [96, 224], [60, 236], [-60, 236], [-96, 224], [-60, 214]) // a table
}

// What is seldom seen, and what passes.
for (const look of Object.keys(LOOKS)) {
  const { page, context, take } = await opened(look)
  await seeSigningIn(page, take)
  await page.locator('.empty').waitFor()
  await take('empty')
  await page.goto(`${PAGE_URL}/pictures`)
  await page.locator('.told').waitFor()
  await take('gallery-empty')
  await page.goto(PAGE_URL)
  await page.locator('button.primary').click()
  await page.locator('[aria-invalid]').waitFor()
  await take('refusal')
  await page.locator('label', { hasText: /From a drawing|Từ bản vẽ/ }).click()
  await page.locator('.drop').waitFor()
  await take('drawing-empty')
  await page.locator('label', { hasText: /From words|Từ lời/ }).click()
  // A wish on its way is found by its English words.
  if (look !== 'vietnamese') await seeTrouble(page, await seeWork(page, take), take)
  await context.close()
}

// A GPU that sleeps, once for all looks.
const windows = []
for (const look of ['light', 'dark', 'phone']) windows.push(await opened(look))
for (const { page } of windows) await signIn(page, designer)
await ask('put_to_sleep', designer)
const [first, ...others] = windows
await makePicture(first.page, 'a sunroom, wicker chairs')
for (const { page } of others) await page.reload()
for (const { page, take } of windows) {
  const told = page.getByText(/The GPU (sleeps and is being woken|is waking), about/)
  await told.waitFor({ timeout: 60_000 })
  await told.scrollIntoViewIfNeeded()
  await take('gpu-asleep')
}
await browser.close()
process.stdout.write(`pictures of the page: ${process.env.TARGET}\n`)
