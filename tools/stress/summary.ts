/** The result of a run, and how it is printed. */
import type { ProbeReport } from './messages.js'
import type { StressOptions } from './options.js'

export interface StressSummary {
  readonly options: StressOptions
  /** Stretches of the history that were checked. */
  readonly segments: number
  /** Transactions that were committed. */
  readonly commits: number
  /** Those of them whose caller was killed before it was told. */
  readonly foundCommits: number
  readonly snapshots: number
  /** Transactions that threw, and left no trace. */
  readonly aborted: number
  readonly workerKills: number
  readonly writerKills: number
  readonly checkpointerKills: number
  /** Null: it was not started yet. */
  readonly probe: ProbeReport | null
  /** Violations that are about lost commits. */
  readonly lost: number
  readonly violations: readonly string[]
  /** SQLite's integrity_check; null before the end. */
  readonly integrity: string | null
}

const VIOLATIONS_SHOWN = 10

export function formatSummary(summary: StressSummary): string {
  const { commits, foundCommits, snapshots, aborted, segments, lost, violations, integrity, probe } = summary
  const { workerKills, writerKills, checkpointerKills } = summary
  const lines = [
    `commits     ${format(commits)}, ${format(foundCommits)} of them found after their caller was killed`,
    `snapshots   ${format(snapshots)}`,
    `rollbacks   ${format(aborted)}`,
    `kills       ${format(workerKills)} workers, ${format(writerKills)} writer processes, ${format(checkpointerKills)} checkpointers`,
    `lost        ${lost}`,
    `violations  ${violations.length}, in ${segments} segments`,
    `probe       ${format(probe?.looks ?? 0)} looks at ${format(probe?.changes ?? 0)} states of ${format(probe?.generations ?? 0)} generations, ${format(probe?.holds ?? 0)} holds`,
    `SQLite says ${integrity ?? 'nothing: the run was cut short'}`,
    ...violations.slice(0, VIOLATIONS_SHOWN).map((what) => `  ${what}`),
  ]
  return lines.join('\n')
}

function format(value: number): string {
  return value.toLocaleString('en-US')
}
