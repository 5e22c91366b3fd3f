/**
 * One page as the layers above see it. `bytes` is exactly one page and starts at the page's first byte
 * (on page 1 that is the file header: the b-tree page header follows at 100).
 *
 * A clean page is a view of a map or a shared copy: nobody may write to it, and it is valid as long as the
 * snapshot it came from. A dirty page is a private copy that belongs to one write transaction.
 */
import type { DecodedPage } from '../format/index.js'
import type { PageNumber } from '../units.js'

/** Look-ups after which a leaf gets keys, negative: until then they may not pay for themselves. */
const KEY_LOOKUPS_MIN = -2
const NO_KEYS: readonly number[] = []
const NO_BYTES = new Uint8Array(0)

export class Page {
  // What look-ups by key read comes first, to lie together in memory: see btree/leaf-keys. Only clean leaves have it.
  /** What kind of keys `keys` holds; negative: none, and how many look-ups are still missing until there are. */
  keyKind = KEY_LOOKUPS_MIN
  /** Of a table the rowid that the keys count from, of an index how many bytes all keys begin with alike. */
  keyBase = 0
  keys: readonly number[] = NO_KEYS
  /** The array that `bytes` is a part of, and where it starts there: one array for all pages of a map stays hot. */
  whole: Uint8Array = NO_BYTES
  wholeOffset = 0

  readonly number: PageNumber
  readonly bytes: Uint8Array
  readonly isDirty: boolean
  /** The b-tree's memo of the validated page header. Null until decoded, and after each edit that outdates it. */
  decoded: DecodedPage | null = null

  constructor(number: PageNumber, bytes: Uint8Array, isDirty: boolean) {
    this.number = number
    this.bytes = bytes
    this.isDirty = isDirty
  }
}
