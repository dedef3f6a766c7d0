/** Structured logs, a JSON object a line. No prompt, no token and no signed address at info level. */
import pino from 'pino'

export const LOG_OPTIONS = {
  base: undefined,
  timestamp: pino.stdTimeFunctions.isoTime,
  serializers: {
    req: (request) => ({ method: request.method, path: request.url?.split('?')[0], user: request.user?.id }),
    err: pino.stdSerializers.err,
  },
}

export function createLog(level) {
  return pino({ ...LOG_OPTIONS, level })
}
