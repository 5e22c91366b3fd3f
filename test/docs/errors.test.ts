/** docs/reference/errors.md and src/errors.ts list the same codes, in the same order. */
import test from 'ava'
import { ERROR_CODES } from '../../src/errors.js'
import { linesWith, readDocument } from './documents.js'

test('errors.md has a line for each code', (t) => {
  t.deepEqual(linesWith(readDocument('reference/errors.md'), /^\| `(ENDMARK_\w+)` \|/), [...ERROR_CODES])
})
