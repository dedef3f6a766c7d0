/**
 * DynamoDB's condition, filter and update expressions, as many of them as the backend uses; another is an error. Items
 * and values are in DynamoDB's own form, {S}, {N}, {SS}, …; paths have one part.
 */

const TOKEN = /\s*([#:]?[A-Za-z_][\w]*|<>|<=|>=|[=<>(),+-])/y
const CLAUSES = ['SET', 'REMOVE', 'ADD', 'DELETE']
const COMPARE = {
  '=': (order) => order === 0,
  '<>': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
}
const parsed = new Map()

/** Whether a condition holds for an item (undefined: there is none). */
export function holds(text, item, { names = {}, values = {} }) {
  if (!text) return true
  return kept(text, (tokens) => either(tokens))({ item: item ?? {}, names, values })
}

/** The item as an update expression leaves it; the one given stays as it is. */
export function updated(text, item, { names = {}, values = {} }) {
  const steps = kept(text, (tokens) => clauses(tokens))
  const scope = { item, names, values }
  const after = { ...item }
  for (const step of steps) step(scope, after)
  return after
}

function kept(text, parse) {
  let known = parsed.get(text)
  if (!known) {
    const tokens = new Tokens(text)
    known = parse(tokens)
    tokens.end()
    parsed.set(text, known)
  }
  return known
}

class Tokens {
  constructor(text) {
    this.text = text
    this.all = []
    TOKEN.lastIndex = 0
    for (let found; TOKEN.lastIndex < text.trimEnd().length && (found = TOKEN.exec(text)); ) this.all.push(found[1])
    this.at = 0
  }

  get next() {
    return this.all[this.at]
  }

  take(...wanted) {
    const token = this.all[this.at++]
    if (wanted.length > 0 && !wanted.includes(token)) this.fail(token)
    return token
  }

  has(token) {
    if (this.next !== token) return false
    this.at++
    return true
  }

  end() {
    if (this.at < this.all.length) this.fail(this.next)
  }

  fail(token) {
    throw new Error(`the stand-in does not know "${token}" in "${this.text}"`)
  }
}

function either(tokens) {
  const parts = [both(tokens)]
  while (tokens.has('OR')) parts.push(both(tokens))
  return parts.length === 1 ? parts[0] : (scope) => parts.some((part) => part(scope))
}

function both(tokens) {
  const parts = [single(tokens)]
  while (tokens.has('AND')) parts.push(single(tokens))
  return parts.length === 1 ? parts[0] : (scope) => parts.every((part) => part(scope))
}

function single(tokens) {
  if (tokens.has('(')) {
    const inner = either(tokens)
    tokens.take(')')
    return inner
  }
  if (tokens.next === 'attribute_exists' || tokens.next === 'attribute_not_exists') {
    const isWanted = tokens.take() === 'attribute_exists'
    tokens.take('(')
    const operand = value(tokens)
    tokens.take(')')
    return (scope) => (operand(scope) !== undefined) === isWanted
  }
  const left = value(tokens)
  if (tokens.has('IN')) {
    tokens.take('(')
    const list = [value(tokens)]
    while (tokens.has(',')) list.push(value(tokens))
    tokens.take(')')
    return (scope) => list.some((one) => order(left(scope), one(scope)) === 0)
  }
  const compare = COMPARE[tokens.take(...Object.keys(COMPARE))]
  const right = value(tokens)
  return (scope) => compare(order(left(scope), right(scope)))
}

/** A function of the scope that gives a value in DynamoDB's form, or undefined. */
function value(tokens) {
  const token = tokens.take()
  if (tokens.next === '(') return called(token, tokens)
  if (!/^[#:\w]/.test(token)) tokens.fail(token)
  if (token.startsWith(':')) return ({ values }) => values[token]
  return ({ item, names }) => item[names[token] ?? token]
}

function called(name, tokens) {
  tokens.take('(')
  const first = value(tokens)
  if (name === 'size') {
    tokens.take(')')
    return (scope) => sizeOf(first(scope))
  }
  if (name !== 'if_not_exists') tokens.fail(name)
  tokens.take(',')
  const second = value(tokens)
  tokens.take(')')
  return (scope) => first(scope) ?? second(scope)
}

function sizeOf(one) {
  if (one === undefined) return undefined
  const [content] = Object.values(one)
  return { N: String(Array.isArray(content) || typeof content === 'string' ? content.length : Object.keys(content).length) }
}

/** Below, at or above 0, as Array.sort wants it; NaN, which nothing compares with, where there is no order. */
function order(a, b) {
  if (a === undefined || b === undefined) return NaN
  if (a.N !== undefined && b.N !== undefined) return Number(a.N) - Number(b.N)
  if (a.S !== undefined && b.S !== undefined) return a.S < b.S ? -1 : Number(a.S > b.S)
  return JSON.stringify(a) === JSON.stringify(b) ? 0 : NaN
}

function clauses(tokens) {
  const steps = []
  while (tokens.next !== undefined) {
    const clause = tokens.take(...CLAUSES)
    do steps.push(STEPS[clause](tokens))
    while (tokens.has(','))
  }
  return steps
}

const nameOf = (token, { names }) => names[token] ?? token

const STEPS = {
  SET(tokens) {
    const path = tokens.take()
    tokens.take('=')
    const source = value(tokens)
    return (scope, after) => {
      const content = source(scope)
      if (content === undefined) throw new Error(`nothing to set ${path} to`)
      after[nameOf(path, scope)] = content
    }
  },
  REMOVE(tokens) {
    const path = tokens.take()
    return (scope, after) => delete after[nameOf(path, scope)]
  },
  ADD(tokens) {
    const [path, operand] = [tokens.take(), value(tokens)]
    return (scope, after) => {
      const [name, more] = [nameOf(path, scope), operand(scope)]
      after[name] = more.N === undefined ? joined(after[name], more) : { N: String(Number(after[name]?.N ?? 0) + Number(more.N)) }
    }
  },
  DELETE(tokens) {
    const [path, operand] = [tokens.take(), value(tokens)]
    return (scope, after) => {
      const name = nameOf(path, scope)
      const left = (after[name]?.SS ?? []).filter((one) => !operand(scope).SS.includes(one))
      if (left.length > 0) after[name] = { SS: left }
      else delete after[name] // DynamoDB has no empty sets
    }
  },
}

function joined(set, more) {
  return { SS: [...new Set([...(set?.SS ?? []), ...more.SS])] }
}
