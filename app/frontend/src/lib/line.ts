/** Where a wish stands among all that its owner has under way. */
import type { Generation } from './api'

export interface Place {
  /** It is being drawn: what is sent ahead to the image server, and waits there for another, is not. */
  begun: boolean
  /** Wishes between the picture that is being drawn and this one. */
  before: number
  etaSeconds: number | undefined
  /** It has the large place: it is drawn now, or will be in a moment. All others wait in a line. */
  large: boolean
}

interface Followed {
  generation: Generation
  percent?: number | undefined
}

const SLEEPING = ['asleep', 'stopping', 'waking']

/** `all`: what is not finished, in any order, with `job` among it. */
export function placeOf(job: Followed, all: readonly Followed[]): Place {
  const { generation } = job
  const line = all.filter((one) => one.generation.kind === generation.kind).sort(inOrder)
  const running = line.filter((one) => one.generation.state === 'running')
  const drawn = running.some(hasBegun) ? running.filter(hasBegun) : running.slice(0, 1)
  const ahead = running.filter((one) => !drawn.includes(one))
  if (drawn.includes(job)) return { begun: true, before: 0, etaSeconds: generation.etaSeconds, large: true }
  const at = ahead.indexOf(job)
  // The API tells each that runs how long one picture takes, whatever it waits for.
  if (at >= 0) return { begun: false, before: at, etaSeconds: times(at + 2, generation.etaSeconds), large: false }
  // Its place is told now and then: meanwhile it is behind those that were asked for before it, at least.
  const told = Math.max(0, (generation.position ?? 1) - 1)
  const before = ahead.length + Math.max(told, line.indexOf(job) - running.length)
  const etaSeconds = generation.etaSeconds && generation.etaSeconds + (before - told) * (running[0]?.generation.etaSeconds ?? 0)
  const isNext = before === 0 && running.length === 0 && line[0] === job
  return { begun: false, before, etaSeconds, large: isNext && !SLEEPING.includes(generation.gpu?.state ?? '') }
}

const hasBegun = ({ percent }: Followed): boolean => percent !== undefined
const times = (count: number, seconds: number | undefined): number | undefined => seconds && count * seconds
const since = ({ generation }: Followed): string => `${generation.startedAt ?? '9'} ${generation.createdAt}`
const inOrder = (a: Followed, b: Followed): number => (since(a) < since(b) ? -1 : 1)
