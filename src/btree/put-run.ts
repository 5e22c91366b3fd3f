/**
 * Putting many records that are sorted by key: one search from the root for each stretch of them that goes to the same
 * place, not one for each.
 *
 *   - behind the last entry of the tree: page after page is filled whole (append-run)
 *   - into a leaf, and into its neighbours as long as they get some as well (merge-run)
 *   - a record whose entry is there already, on whatever level, or one with an overflow chain: as `putRecord` does it
 *
 * Each call does one stretch, after which the pages are whole: the caller may let changed ones go from memory in between.
 */
import { INDEX_LEAF, type SearchKey } from '../format/index.js'
import type { PageWriter } from '../pager/index.js'
import type { PageNumber } from '../units.js'
import { appendRun } from './append-run.js'
import { editPath } from './edit-scratch.js'
import { putAtPath } from './insert.js'
import { mergeRun } from './merge-run.js'
import type { RecordRun } from './record-run.js'
import { seekRecord } from './search.js'

/**
 * Puts records of a run into an index b-tree, those at `from` and some that follow; entries with their keys are replaced.
 * @param run sorted
 * @param key of the order of the tree, whose only column is binary and ascending
 * @returns how many of the run have been put, all before `from` included: more than `from`
 */
export function putRun(pages: PageWriter, root: PageNumber, key: SearchKey, run: RecordRun, from: number): number {
  run.turnTo(from)
  key.setFromBytes(run.bytes, run.keyStart, run.keyLength, run.parity)
  const exists = seekRecord(pages, root, key, editPath)
  const put = exists ? from : putNew(pages, key, run, from)
  if (put > from) {
    editPath.clear()
    return put
  }
  run.turnTo(from)
  putAtPath(pages, run.record(), INDEX_LEAF, exists)
  editPath.clear()
  return from + 1
}

/** @returns `from`, with nothing done and the path as it was, where one record alone has to be put */
function putNew(pages: PageWriter, key: SearchKey, run: RecordRun, from: number): number {
  const path = editPath
  const { maxLocal, cellCount } = path.page.decoded!
  if (run.recordLength > maxLocal || from + 1 === run.count) return from
  const isAtEnd = path.index === cellCount && path.boundLevelAbove(path.last) < 0
  return isAtEnd ? appendRun(pages, path, run, from) : mergeRun(pages, path, key, run, from)
}
