/** Pictures and sketches in the bucket, under outputs/: the only prefix that the backend writes. */
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { contract } from '../contract.js'

const OUTPUTS = contract.prefixes.outputs

/** Where the n-th picture of a generation lies; its thumbnail beside it. */
export const pictureKey = (id, n) => `${OUTPUTS}${id}/${n}.png`
export const thumbnailKey = (id, n) => `${OUTPUTS}${id}/${n}.webp`
/** A sketch as it was drawn, and its lines as the ControlNet wants them. */
export const sketchKey = (id) => `${OUTPUTS}sketches/${id}.png`
export const linesKey = (id) => `${OUTPUTS}sketches/${id}.lines.png`

export class Pictures {
  constructor({ s3 }, { bucket }) {
    this.s3 = s3
    this.bucket = bucket
  }

  /** Store an object whole; S3 shows it to nobody before. */
  async put(key, body, contentType) {
    await this.s3.send(
      new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: body, ContentType: contentType }),
    )
  }

  /** An object's stream, type, length and ETag; null when there is none. */
  async open(key) {
    try {
      const { Body, ContentType, ContentLength, ETag } = await this.s3.send(
        new GetObjectCommand({ Bucket: this.bucket, Key: key }),
      )
      return { body: Body, type: ContentType, length: ContentLength, etag: ETag }
    } catch (error) {
      // To a role that may not list outputs/, S3 says 403 of what isn't there (GetObject, "Permissions").
      if ([403, 404].includes(error.$metadata?.httpStatusCode)) return null
      throw error
    }
  }

  async bytes(key) {
    const found = await this.open(key)
    return found ? Buffer.from(await found.body.transformToByteArray()) : null
  }

  /** Remove what a generation left, whether it's there or not. */
  async deleteGeneration(id, count) {
    const keys = Array.from({ length: count }, (_, n) => [pictureKey(id, n), thumbnailKey(id, n)]).flat()
    for (const Key of keys) await this.s3.send(new DeleteObjectCommand({ Bucket: this.bucket, Key }))
  }
}
