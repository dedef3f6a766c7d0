/** Keeps an answer for a while, and asks once for all who wait. A failure is kept by nobody. */

/**
 * @template T
 * @param {number} forMs
 * @param {() => Promise<T>} ask
 * @returns {() => Promise<T>}
 */
export function cached(forMs, ask) {
  let answer
  let until = 0
  return () => {
    if (answer && Date.now() < until) return answer
    until = Infinity
    const asked = ask()
    answer = asked
    asked.then(
      () => (until = Date.now() + forMs),
      () => (answer = undefined),
    )
    return asked
  }
}
