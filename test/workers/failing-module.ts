/** A module for `pool.run` that throws, in the way it is told. */
import type { Snapshot } from '../../src/index.js'

class OwnError extends Error {
  override readonly name = 'OwnError'
  readonly data = { left: 'behind' }
}

export default function fail(snapshot: Snapshot, how: string): never {
  switch (how) {
    case 'range':
      throwRange()
      break
    case 'own':
      throw new OwnError('own')
    case 'many':
      throw new AggregateError([new Error('one'), new Error('two')], 'many')
    case 'ring':
      throw ring()
    case 'endmark':
      snapshot.map('missing')
      break
    case 'value':
      throw { a: 1 }
    case 'uncloneable value':
      throw () => {}
    case 'getter':
      throw Object.defineProperty(new Error('unseen'), 'field', { enumerable: true, get: throwRange })
    case 'no text':
      throw Object.assign(Object.create(null), { call: () => {} })
  }
  throw new Error('not reached')
}

function throwRange(): never {
  throw Object.assign(new RangeError('too far', { cause: innerCause() }), { code: 'E_FAR', distance: 7n })
}

function innerCause(): TypeError {
  return new TypeError('inner', { cause: 'text' })
}

function ring(): Error {
  const error = new Error('ring')
  error.cause = error
  return error
}
