/** The thread that finds edges: the picture once, then lines for each amount that is asked for. */
import { linesOf, ridgesOf, type Pixels, type Ridges } from './edges'

let ridges: Ridges | undefined

onmessage = ({ data }: MessageEvent<{ picture: Pixels } | { amount: number }>): void => {
  if ('picture' in data) ridges = ridgesOf(data.picture)
  else if (ridges) postMessage({ amount: data.amount, lines: linesOf(ridges, data.amount) })
}
