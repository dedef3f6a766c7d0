/** The user pool's own words, loaded when somebody signs in or a session is renewed. */
import {
  AssociateSoftwareTokenCommand,
  CognitoIdentityProviderClient,
  ConfirmForgotPasswordCommand,
  ForgotPasswordCommand,
  GlobalSignOutCommand,
  InitiateAuthCommand,
  RespondToAuthChallengeCommand,
  VerifySoftwareTokenCommand,
  type AuthenticationResultType,
  type ChallengeNameType,
} from '@aws-sdk/client-cognito-identity-provider'
import type { Config } from './config'

export interface Tokens {
  accessToken: string
  refreshToken: string
  /** Milliseconds since 1970. */
  expires: number
}

/** What the pool wants next: tokens are there, or it asks for something more. */
export type Step =
  | { next: 'done'; tokens: Tokens }
  | { next: 'new-password' | 'code'; session: string; email: string }
  | { next: 'set-up-code'; session: string; email: string; secret: string }

export class Cognito {
  private readonly client: CognitoIdentityProviderClient

  constructor(private readonly config: Config) {
    this.client = new CognitoIdentityProviderClient({
      region: config.region,
      ...(config.cognitoEndpoint ? { endpoint: config.cognitoEndpoint } : {}),
      // These calls are made by who is not signed in yet: they carry no signature.
      credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
    })
  }

  async signIn(email: string, password: string): Promise<Step> {
    const answer = await this.client.send(
      new InitiateAuthCommand({
        AuthFlow: 'USER_PASSWORD_AUTH',
        ClientId: this.config.userPoolClientId,
        AuthParameters: { USERNAME: email, PASSWORD: password },
      }),
    )
    return this.step(answer, email)
  }

  async newPassword(email: string, session: string, password: string): Promise<Step> {
    return this.respond('NEW_PASSWORD_REQUIRED', email, session, { NEW_PASSWORD: password })
  }

  async code(email: string, session: string, code: string): Promise<Step> {
    return this.respond('SOFTWARE_TOKEN_MFA', email, session, { SOFTWARE_TOKEN_MFA_CODE: code })
  }

  /** The first code of an authenticator app that was just set up. */
  async firstCode(email: string, session: string, code: string): Promise<Step> {
    const answer = await this.client.send(new VerifySoftwareTokenCommand({ Session: session, UserCode: code }))
    return this.respond('MFA_SETUP', email, answer.Session ?? session, {})
  }

  async forgot(email: string): Promise<void> {
    await this.client.send(new ForgotPasswordCommand({ ClientId: this.config.userPoolClientId, Username: email }))
  }

  async reset(email: string, code: string, password: string): Promise<void> {
    await this.client.send(
      new ConfirmForgotPasswordCommand({
        ClientId: this.config.userPoolClientId,
        Username: email,
        ConfirmationCode: code,
        Password: password,
      }),
    )
  }

  async renew(refreshToken: string): Promise<Tokens> {
    const { AuthenticationResult } = await this.client.send(
      new InitiateAuthCommand({
        AuthFlow: 'REFRESH_TOKEN_AUTH',
        ClientId: this.config.userPoolClientId,
        AuthParameters: { REFRESH_TOKEN: refreshToken },
      }),
    )
    return tokensOf(AuthenticationResult, refreshToken)
  }

  /** End all sessions of this user, on every device. */
  async signOutEverywhere(accessToken: string): Promise<void> {
    await this.client.send(new GlobalSignOutCommand({ AccessToken: accessToken }))
  }

  private async respond(name: ChallengeNameType, email: string, session: string, more: Record<string, string>): Promise<Step> {
    const answer = await this.client.send(
      new RespondToAuthChallengeCommand({
        ChallengeName: name,
        ClientId: this.config.userPoolClientId,
        Session: session,
        ChallengeResponses: { USERNAME: email, ...more },
      }),
    )
    return this.step(answer, email)
  }

  private async step(
    answer: { ChallengeName?: ChallengeNameType; Session?: string; AuthenticationResult?: AuthenticationResultType },
    email: string,
  ): Promise<Step> {
    const session = answer.Session ?? ''
    switch (answer.ChallengeName) {
      case undefined:
        return { next: 'done', tokens: tokensOf(answer.AuthenticationResult) }
      case 'NEW_PASSWORD_REQUIRED':
        return { next: 'new-password', session, email }
      case 'SOFTWARE_TOKEN_MFA':
        return { next: 'code', session, email }
      case 'MFA_SETUP': {
        const { SecretCode, Session } = await this.client.send(new AssociateSoftwareTokenCommand({ Session: session }))
        return { next: 'set-up-code', session: Session ?? session, email, secret: SecretCode ?? '' }
      }
      default:
        throw new Error(`The user pool asks for ${answer.ChallengeName}, which this page doesn't know.`)
    }
  }
}

function tokensOf(result: AuthenticationResultType | undefined, refreshToken?: string): Tokens {
  const accessToken = result?.AccessToken
  const kept = result?.RefreshToken ?? refreshToken
  if (!accessToken || !kept) throw new Error('The user pool gave no tokens.')
  return { accessToken, refreshToken: kept, expires: Date.now() + (result?.ExpiresIn ?? 0) * 1000 }
}
