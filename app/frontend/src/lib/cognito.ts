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
  type AuthFlowType,
  type ChallengeNameType,
  type InitiateAuthCommandOutput,
} from '@aws-sdk/client-cognito-identity-provider'
import type { Config } from './config'
import { newSecret, signature, timestampOf, type Challenge } from './srp'

export interface Tokens {
  accessToken: string
  refreshToken: string
  /** Milliseconds since 1970. */
  expires: number
}

/** What the pool wants next: tokens are there, or it asks for something more. username: as the pool calls the user. */
export type Step =
  | { next: 'done'; tokens: Tokens }
  | { next: 'new-password' | 'code'; session: string; username: string }
  | { next: 'set-up-code'; session: string; username: string; secret: string }

type Answer = Pick<InitiateAuthCommandOutput, 'ChallengeName' | 'ChallengeParameters' | 'Session' | 'AuthenticationResult'>

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

  /** By a proof that one knows the password, which stays here. The emulator checks no proof: it is sent the password. */
  async signIn(email: string, password: string): Promise<Step> {
    if (!this.config.cognitoEndpoint) return this.prove(email, password)
    const answer = await this.begin('USER_PASSWORD_AUTH', { USERNAME: email, PASSWORD: password })
    return this.step(answer, email)
  }

  async newPassword(username: string, session: string, password: string): Promise<Step> {
    return this.respond('NEW_PASSWORD_REQUIRED', username, session, { NEW_PASSWORD: password })
  }

  async code(username: string, session: string, code: string): Promise<Step> {
    return this.respond('SOFTWARE_TOKEN_MFA', username, session, { SOFTWARE_TOKEN_MFA_CODE: code })
  }

  /** The first code of an authenticator app that was just set up. */
  async firstCode(username: string, session: string, code: string): Promise<Step> {
    const answer = await this.client.send(new VerifySoftwareTokenCommand({ Session: session, UserCode: code }))
    return this.respond('MFA_SETUP', username, answer.Session ?? session, {})
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
    const { AuthenticationResult } = await this.begin('REFRESH_TOKEN_AUTH', { REFRESH_TOKEN: refreshToken })
    return tokensOf(AuthenticationResult, refreshToken)
  }

  /** End all sessions of this user, on every device. */
  async signOutEverywhere(accessToken: string): Promise<void> {
    await this.client.send(new GlobalSignOutCommand({ AccessToken: accessToken }))
  }

  private async prove(email: string, password: string): Promise<Step> {
    const secret = newSecret()
    const answer = await this.begin('USER_SRP_AUTH', { USERNAME: email, SRP_A: secret.A.toString(16) })
    const challenge = answer.ChallengeParameters as unknown as Challenge
    const timestamp = timestampOf(new Date())
    const pool = this.config.userPoolId.split('_')[1] ?? ''
    return this.respond('PASSWORD_VERIFIER', challenge.USER_ID_FOR_SRP, answer.Session, {
      PASSWORD_CLAIM_SECRET_BLOCK: challenge.SECRET_BLOCK,
      PASSWORD_CLAIM_SIGNATURE: await signature(secret, pool, password, challenge, timestamp),
      TIMESTAMP: timestamp,
    })
  }

  private begin(flow: AuthFlowType, parameters: Record<string, string>): Promise<InitiateAuthCommandOutput> {
    return this.client.send(new InitiateAuthCommand({ AuthFlow: flow, ClientId: this.config.userPoolClientId, AuthParameters: parameters }))
  }

  private async respond(name: ChallengeNameType, username: string, session: string | undefined, more: Record<string, string>): Promise<Step> {
    const answer = await this.client.send(
      new RespondToAuthChallengeCommand({
        ChallengeName: name,
        ClientId: this.config.userPoolClientId,
        Session: session,
        ChallengeResponses: { USERNAME: username, ...more },
      }),
    )
    return this.step(answer, username)
  }

  private async step(answer: Answer, username: string): Promise<Step> {
    const session = answer.Session ?? ''
    switch (answer.ChallengeName) {
      case undefined:
        return { next: 'done', tokens: tokensOf(answer.AuthenticationResult) }
      case 'NEW_PASSWORD_REQUIRED':
        return { next: 'new-password', session, username }
      case 'SOFTWARE_TOKEN_MFA':
        return { next: 'code', session, username }
      case 'MFA_SETUP': {
        const { SecretCode, Session } = await this.client.send(new AssociateSoftwareTokenCommand({ Session: session }))
        return { next: 'set-up-code', session: Session ?? session, username, secret: SecretCode ?? '' }
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
