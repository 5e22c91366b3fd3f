/** The transaction suite for Databases that commit through a writer in this process. */
import { HANDLER_MODE } from '../support/commit-modes.js'
import { transactionSuite } from './transaction-suite.js'

transactionSuite(HANDLER_MODE)
