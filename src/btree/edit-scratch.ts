/**
 * What every edit needs for its own duration: the path it goes and the cell it looks at. One of each per thread
 * is enough, as edits are synchronous and do not nest; they must not be kept beyond the edit that uses them.
 */
import { Cell } from '../format/index.js'
import { TreePath } from './tree-path.js'

export const editPath = new TreePath()
export const editCell = new Cell()
