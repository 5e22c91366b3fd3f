/** Turns a record that cannot be decoded into the error that says in which store of which file it is. */
import { DamagedRecord } from '../format/index.js'
import type { PageReader } from '../pager/index.js'
import type { StoreDefinition } from './definition.js'

/** What to throw instead of `error`: names the root page, as the tree does not say which leaf a payload came from. */
export function locateDamage(pages: PageReader, definition: StoreDefinition, error: unknown): unknown {
  if (!(error instanceof DamagedRecord)) return error
  return pages.corrupt(definition.root, 0, `a record of store ${JSON.stringify(definition.name)}: ${error.message}`)
}
