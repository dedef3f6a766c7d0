/** AWS, as the rest of the program sees it: one client a service, passed in so that tests can pass others. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { S3Client } from '@aws-sdk/client-s3'
import { SQSClient } from '@aws-sdk/client-sqs'
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { NodeHttpHandler } from '@smithy/node-http-handler'

const ATTEMPTS = 5
const CONNECT_MS = 3000
const ANSWER_MS = 30_000
/** Longer than SQS's longest poll. */

/** @param {{region: string, endpoint: string | null}} config */
export function awsClients({ region, endpoint }) {
  const options = {
    region,
    ...(endpoint ? { endpoint } : {}),
    maxAttempts: ATTEMPTS,
    retryMode: 'standard',
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      httpAgent: { keepAlive: true, maxSockets: 200 },
      httpsAgent: { keepAlive: true, maxSockets: 200 },
    }),
  }
  const dynamo = DynamoDBDocumentClient.from(new DynamoDBClient(options), {
    marshallOptions: { removeUndefinedValues: true },
  })
  // The emulator serves buckets by path; AWS by host name.
  const s3 = new S3Client({ ...options, ...(endpoint ? { forcePathStyle: true } : {}) })
  return { dynamo, s3, sqs: new SQSClient(options), ec2: lazy(ec2, options), ssm: lazy(ssm, options) }
}

const ec2 = async () => (await import('@aws-sdk/client-ec2')).EC2Client
const ssm = async () => (await import('@aws-sdk/client-ssm')).SSMClient

/**
 * A client that is loaded when it is first asked: these two only while ComfyUI is away, and EC2's is by far the largest
 * of all (bench/README.md).
 */
function lazy(load, options) {
  let client
  return {
    async send(command) {
      client ??= new (await load())(options)
      return client.send(command)
    },
  }
}
