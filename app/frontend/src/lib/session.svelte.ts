/** Who is signed in: kept across reloads and tabs, renewed before it ends. */
import type { Cognito, Tokens } from './cognito'
import type { Config } from './config'

interface Kept extends Tokens {
  email: string
}

const EARLY_MS = 60_000
// So long before its end a token is renewed: a request must not arrive with one that just ended.

export class Session {
  private readonly key: string
  private kept = $state.raw<Kept | undefined>()
  /** Who is signed in: the same while only the tokens are others. */
  readonly email = $derived(this.kept?.email)
  private renewing: Promise<void> | undefined
  private loaded: Promise<Cognito> | undefined
  /** The session ended by itself: the sign-in view says so. */
  ended = $state(false)

  constructor(private readonly config: Config) {
    this.key = `sd-app:${config.stack}:session`
    this.read()
    // Another tab signed in or out.
    addEventListener('storage', (event) => event.key === this.key && this.read())
  }

  /** Names the user in keys of local storage. */
  get user(): string {
    return this.kept?.email ?? ''
  }

  cognito(): Promise<Cognito> {
    this.loaded ??= import('./cognito').then(({ Cognito }) => new Cognito(this.config))
    this.loaded.catch(() => (this.loaded = undefined))
    return this.loaded
  }

  begin(email: string, tokens: Tokens): void {
    this.ended = false
    this.write({ ...tokens, email })
  }

  /** An access token that is good for a while; undefined once signed out. Throws when the pool is out of reach. */
  token = async (renew = false): Promise<string | undefined> => {
    if (this.kept && (renew || this.kept.expires - EARLY_MS < Date.now())) {
      this.renewing ??= this.renew(this.kept).finally(() => (this.renewing = undefined))
      await this.renewing
    }
    return this.kept?.accessToken
  }

  async signOut({ everywhere = false } = {}): Promise<void> {
    if (everywhere) {
      const token = await this.token()
      if (token) await (await this.cognito()).signOutEverywhere(token)
    }
    this.write(undefined)
  }

  private async renew(kept: Kept): Promise<void> {
    try {
      const tokens = await (await this.cognito()).renew(kept.refreshToken)
      this.write({ ...tokens, email: kept.email })
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.ended = true
      this.write(undefined)
    }
  }

  private read(): void {
    try {
      this.kept = JSON.parse(localStorage.getItem(this.key) ?? 'null') ?? undefined
    } catch {
      this.kept = undefined
    }
  }

  private write(kept: Kept | undefined): void {
    this.kept = kept
    if (kept) localStorage.setItem(this.key, JSON.stringify(kept))
    else localStorage.removeItem(this.key)
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && ['NotAuthorizedException', 'UserNotFoundException'].includes(error.name)
}
