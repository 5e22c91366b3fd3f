/**
 * What was thrown in one thread, as data, and thrown again in another: class, message, stack and cause as they were there, and the
 * fields that say more, `code` above all. The clone of an error that messages make by themselves keeps none of these fields.
 *
 * An EndmarkError becomes an EndmarkError and one of the language's own errors one of its class; of any other class only
 * the name is left. Fields that are objects are left out, as they need not be data.
 */
import { EndmarkError, ERROR_CODES } from '../src/errors.js'

export type ThrownThing =
  | { readonly kind: 'value'; readonly value: unknown }
  | {
      readonly kind: 'error'
      readonly name: string
      readonly message: string
      readonly stack: string
      readonly fields: Readonly<Record<string, unknown>>
      readonly cause: ThrownThing | null
      /** Of an AggregateError. */
      readonly errors: readonly ThrownThing[] | null
    }

/** Causes of causes, down to this depth: a chain may be a ring. */
const DEPTH_MAX = 8
const ERRORS_MAX = 64

/** Never throws, even if reading what was thrown does: by a getter, or as text that it has not. */
export function toThrownThing(thrown: unknown): ThrownThing {
  try {
    return read(thrown, 0)
  } catch {
    return UNREADABLE
  }
}

const UNREADABLE: ThrownThing = {
  kind: 'error',
  name: 'Error',
  message: 'what was thrown in the thread cannot be read: its own getters or methods throw',
  stack: '',
  fields: {},
  cause: null,
  errors: null,
}

function read(thrown: unknown, depth: number): ThrownThing {
  if (!(thrown instanceof Error)) return { kind: 'value', value: asData(thrown) }
  const { name, message, stack = '', cause } = thrown
  const isNested = depth < DEPTH_MAX
  return {
    kind: 'error',
    name: String(name),
    message: String(message),
    stack: String(stack),
    fields: fieldsOf(thrown),
    cause: cause === undefined || !isNested ? null : read(cause, depth + 1),
    errors:
      thrown instanceof AggregateError && isNested
        ? thrown.errors.slice(0, ERRORS_MAX).map((error) => read(error, depth + 1))
        : null,
  }
}

export function fromThrownThing(thing: ThrownThing): unknown {
  if (thing.kind === 'value') return thing.value
  const error = errorOf(thing)
  // The stack says where it was thrown, in the thread: this one would only show where it arrived.
  error.stack = thing.stack
  return error
}

function errorOf(thing: ThrownThing & { readonly kind: 'error' }): Error {
  const { name, message, fields, errors } = thing
  const cause = thing.cause === null ? undefined : fromThrownThing(thing.cause)
  const code = ERROR_CODES.find((known) => known === fields.code)
  if (name === 'EndmarkError' && code !== undefined) return new EndmarkError(code, message, { ...fields, cause })
  const options = cause === undefined ? {} : { cause }
  if (errors !== null) return Object.assign(new AggregateError(errors.map(fromThrownThing), message, options), fields)
  const error = new (Object.hasOwn(CLASSES, name) ? CLASSES[name]! : Error)(message, options)
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  return Object.assign(error, fields)
}

const CLASSES: Readonly<Record<string, new (message: string, options: ErrorOptions) => Error>> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
}

/** Own fields with plain values; the others of an error stand in places of their own. */
function fieldsOf(error: Error): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(error)) {
    const isPlain = value === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof value)
    if (isPlain && name !== 'name' && name !== 'message' && name !== 'stack') fields[name] = value
  }
  return fields
}

function asData(thrown: unknown): unknown {
  try {
    return structuredClone(thrown)
  } catch {
    return String(thrown)
  }
}
