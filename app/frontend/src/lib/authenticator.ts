/** What authenticator apps read, as a code to scan or a link: the key, and what the app shall call it.

 * https://github.com/google/google-authenticator/wiki/Key-Uri-Format */
export function keyAddress({ issuer, account, secret }: { issuer: string; account: string; secret: string }): string {
  const [by, of] = [issuer, account].map(encodeURIComponent)
  return `otpauth://totp/${by}:${of}?secret=${encodeURIComponent(secret)}&issuer=${by}`
}
