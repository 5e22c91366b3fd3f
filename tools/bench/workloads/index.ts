/** All workloads, in the order in which they run: those that leave the common database as it was come first. */
import type { Workload } from '../bench.js'
import { durableCommits } from './durable-commits.js'
import { fairness } from './fairness.js'
import { normalCommits } from './normal-commits.js'

export const WORKLOADS: readonly Workload[] = [durableCommits, normalCommits, fairness]
