/** What the views of a signed-in designer share: made at sign-in, ended at sign-out. */
import { getContext, setContext } from 'svelte'
import { isFinal, type Api, type Generation, type Style } from './api'
import { Draft } from './draft.svelte'
import { t } from './i18n.svelte'
import { readLimits, type Limits } from './limits'
import { go } from './router.svelte'
import type { Session } from './session.svelte'
import { Work } from './work.svelte'

const RECENT = 12

export class Studio {
  readonly work: Work
  readonly draft: Draft
  styles = $state.raw<Style[]>()
  limits = $state.raw<Limits>()
  /** The newest pictures, for the feed and the prompt history; undefined before they came. */
  recent = $state.raw<Generation[]>()
  failed = $state(false)
  notice = $state('')
  private readonly renewals = new Map<string, Promise<Generation | undefined>>()

  constructor(
    readonly api: Api,
    readonly session: Session,
    stack: string,
  ) {
    this.work = new Work(api, (generation) => {
      if (generation.state === 'succeeded') this.say(t('wish.done'))
    })
    this.draft = new Draft(`sd-app:${stack}:draft:${session.user}`)
    void this.load()
  }

  async load(): Promise<void> {
    this.failed = false
    try {
      const [styles, document, page] = await Promise.all([
        this.api.styles(),
        this.api.openApi(),
        this.api.generations({}, { limit: RECENT }),
        this.work.load(),
      ])
      this.styles = styles
      this.limits = readLimits(document)
      this.recent = page.items
      for (const one of page.items) if (!isFinal(one.state)) this.work.add(one)
    } catch {
      this.failed = true
    }
  }

  /** The styles as they are now. Those that are known stay when it fails: it is asked again soon. */
  async loadStyles(): Promise<void> {
    try {
      this.styles = await this.api.styles()
    } catch {
      return
    }
  }

  /** Everything to be seen in the feed, newest first, each once. */
  get feed(): Generation[] {
    const jobs = this.work.jobs.map((one) => one.generation)
    const ids = new Set(jobs.map((one) => one.id))
    return [...jobs, ...(this.recent ?? []).filter((one) => !ids.has(one.id))].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
  }

  /** Said to everybody, screen readers too, for a moment. */
  say(text: string): void {
    this.notice = text
    setTimeout(() => this.notice === text && (this.notice = ''), 5000)
  }

  /** Lay a wish out on the table again. vary: with another seed. */
  again(generation: Generation, { vary = false } = {}): void {
    this.draft.take(generation, { vary })
    go(generation.kind === 'sketch' ? '/drawing' : '/')
  }

  keep(generation: Generation): void {
    const job = this.work.jobs.find((one) => one.id === generation.id)
    if (job) job.generation = generation
    this.recent = this.recent?.map((one) => (one.id === generation.id ? generation : one))
  }

  /**
   * A picture could not be loaded: its signed address ends after some hours, and this page may be older. The generation
   * as the API tells it now, asked once for each address, whoever asks; undefined when it could not be had.
   */
  renew({ id, images: [first] }: Generation): Promise<Generation | undefined> {
    const address = first?.url ?? id
    const asked =
      this.renewals.get(address) ??
      this.api.generation(id).then(
        (fresh) => (this.keep(fresh), fresh),
        () => void this.renewals.delete(address),
      )
    this.renewals.set(address, asked)
    return asked
  }

  drop(id: string): void {
    this.work.forget(id)
    this.recent = this.recent?.filter((one) => one.id !== id)
  }

  close(): void {
    this.work.close()
  }
}

const KEY = Symbol('studio')
export const provideStudio = (studio: () => Studio): unknown => setContext(KEY, studio)
export const useStudio = (): Studio => getContext<() => Studio>(KEY)()
