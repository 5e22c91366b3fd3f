/** The transaction suite for Databases that commit by themselves. */
import { INLINE_MODE } from '../support/commit-modes.js'
import { transactionSuite } from './transaction-suite.js'

transactionSuite(INLINE_MODE)
