/** What all parts of one check share. */
import type { Findings } from './findings.js'
import type { FreshPages } from './fresh-pages.js'
import type { PageUse } from './page-use.js'

export interface CheckParts {
  readonly pages: FreshPages
  readonly use: PageUse
  readonly findings: Findings
}
