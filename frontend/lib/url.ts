/** What of a page is in its URL: every filter, so that a link shows what its sender sees. */
import { parseAsString, parseAsStringLiteral } from 'nuqs'
import { triageStatus } from './schemas'

const text = parseAsString.withDefault('')

export const SORTS = ['score', 'time'] as const
/** One row for every alert, or for those of a burst together. */
export const GROUPS = ['alert', 'case'] as const
export const STATUSES = [...triageStatus.options, 'all'] as const
export const SEVERITIES = ['all', 'suspicious', 'critical'] as const
export const USER_ORDERS = ['flagged', 'last', 'id'] as const

export const transactionsUrl = { q: text, open: parseAsString }

export const anomaliesUrl = {
  q: text,
  open: parseAsString,
  status: parseAsStringLiteral(STATUSES).withDefault('open'),
  severity: parseAsStringLiteral(SEVERITIES).withDefault('all'),
  sort: parseAsStringLiteral(SORTS).withDefault('score'),
  group: parseAsStringLiteral(GROUPS).withDefault('alert'),
}

export const usersUrl = {
  prefix: text,
  q: text,
  order: parseAsStringLiteral(USER_ORDERS).withDefault('flagged'),
}
