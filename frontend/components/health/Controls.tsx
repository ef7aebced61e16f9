'use client'

import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { ApiError, post } from '@/lib/api'
import { controlled, type Worker } from '@/lib/engine'
import styles from './Health.module.css'

type Action = 'start' | 'stop' | 'restart'

const SURE_MS = 5_000
/** Stopped, they could not be started again from here. */
const NEEDED_HERE = ['api', 'frontend']

/** Start, stop and restart one worker; to stop or restart is asked twice. */
export function Controls({ worker, onProblem }: { worker: Worker; onProblem: (said: string | null) => void }) {
  const queries = useQueryClient()
  const [sure, setSure] = useState<Action | null>(null)
  useEffect(() => {
    const timer = setTimeout(() => setSure(null), SURE_MS)
    return () => clearTimeout(timer)
  }, [sure])
  const { mutate, isPending } = useMutation({
    mutationFn: (action: Action) => post(controlled, '/api/workers', { worker: worker.name, action }),
    onSuccess: () => onProblem(null),
    onError: (error) => onProblem(error instanceof ApiError ? error.message : String(error)),
    onSettled: () => queries.invalidateQueries({ queryKey: ['health'] }),
  })
  const act = (action: Action) => {
    if (action !== 'start' && sure !== action) return setSure(action)
    setSure(null)
    mutate(action)
  }
  const down = worker.state === 'stopped' || worker.state === 'failed'
  const actions: Action[] = down ? ['start'] : NEEDED_HERE.includes(worker.name) ? ['restart'] : ['restart', 'stop']
  return (
    <span className={styles.controls}>
      {actions.map((action) => (
        <button
          key={action}
          type="button"
          disabled={isPending}
          data-sure={sure === action}
          onClick={() => act(action)}
          data-testid={action}
        >
          {sure === action ? 'Sure?' : <span className={styles.verb}>{action}</span>}
          <span className="visually-hidden">
            {' '}
            {sure === action ? `${action} ` : ''}
            {worker.name}
          </span>
        </button>
      ))}
    </span>
  )
}
