/** docs/internals/locks.md has the bytes of src/format/lock-bytes.ts. */
import test from 'ava'
import {
  CKPT_LOCK_BYTE,
  DMS_LOCK_BYTE,
  PENDING_BYTE,
  READ_LOCK_BYTE,
  READ_SLOT_COUNT,
  RECOVER_LOCK_BYTE,
  SHARED_FIRST,
  SHARED_SIZE,
  WRITE_LOCK_BYTE,
} from '../../src/format/index.js'
import { readDocument } from './documents.js'

test('locks.md has every lock byte', (t) => {
  const rows = readDocument('internals/locks.md').matchAll(/^\| (\w+) \| (\d+) \| `(\w+)` \|/gm)
  const ranges = [...rows].map(([, offset, size, name]) => [name, Number(offset), Number(size)])
  t.deepEqual(ranges, [
    ['PENDING', PENDING_BYTE, 1],
    ['RESERVED', PENDING_BYTE + 1, 1],
    ['SHARED', SHARED_FIRST, SHARED_SIZE],
    ['WRITE', WRITE_LOCK_BYTE, 1],
    ['CKPT', CKPT_LOCK_BYTE, 1],
    ['RECOVER', RECOVER_LOCK_BYTE, 1],
    ['READ', READ_LOCK_BYTE, READ_SLOT_COUNT],
    ['DMS', DMS_LOCK_BYTE, 1],
  ])
})
