export { DatabaseCheck } from './check-database.js'
export type { Finding } from './findings.js'
export {
  type CheckOptions,
  type CheckProgress,
  type CheckReport,
  checkedLimit,
  reportOf,
  runCheck,
} from './run-check.js'
