'use client'

import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Panel } from '@/components/common/Panel'
import { get } from '@/lib/api'
import { course, type CoursePoint } from '@/lib/engine'
import { count, rate } from '@/lib/numbers'
import { clock, span } from '@/lib/time'
import styles from './History.module.css'

const FIGURES: readonly (readonly [string, (point: CoursePoint) => number, (value: number) => string])[] = [
  ['Transactions per second', (point) => point.rate, rate],
  ['Latency p95', (point) => point.latency_p95, (value) => `${count(value * 1000)} ms`],
  ['Kafka lag', (point) => point.lag, count],
]

/** Rate, latency and lag over the last hour up to `now`, below each other in time: a look tells what moved with what. */
export function History({ now }: { now: CoursePoint | undefined }) {
  const { data } = useQuery({
    queryKey: ['course'],
    queryFn: ({ signal }) => get(course, '/api/course', {}, signal),
    refetchInterval: 10_000,
    placeholderData: keepPreviousData,
  })
  const [pointed, setPointed] = useState<number | null>(null)
  const kept = data?.points ?? []
  const newest = kept.at(-1)
  // A point is kept each ten seconds and asked for as often: the newest may be older than the figures above it.
  const points = now && newest && Date.parse(now.at) > Date.parse(newest.at) ? [...kept, now] : kept
  const [first, last] = [points[0], points.at(-1)]
  const places = first && last ? points.map((point) => length(first, point) / (length(first, last) || 1)) : []
  const told = pointed === null ? last : (points[pointed] ?? last)
  return (
    <Panel
      title="History"
      aside={
        points.length > 1 && first && last && told
          ? pointed === null
            ? `the last ${span(length(first, last))}`
            : `${clock(told.at).slice(0, 8)} UTC`
          : null
      }
    >
      {points.length < 2 || told === undefined ? (
        <p className="muted">It is drawn from the engine&rsquo;s first half minute on.</p>
      ) : (
        <div className={styles.figures} data-testid="history">
          {FIGURES.map(([name, of, written]) => (
            <Line
              key={name}
              name={name}
              values={points.map(of)}
              places={places}
              now={written(of(told))}
              highest={written(Math.max(...points.map(of)))}
              pointed={pointed}
              onPoint={setPointed}
            />
          ))}
        </div>
      )}
    </Panel>
  )
}

const length = (first: CoursePoint, last: CoursePoint) => (Date.parse(last.at) - Date.parse(first.at)) / 1000

interface LineProperties {
  name: string
  values: readonly number[]
  /** Where in time each value lies, from 0 to 1. */
  places: readonly number[]
  now: string
  highest: string
  pointed: number | null
  onPoint: (index: number | null) => void
}

function Line({ name, values, places, now, highest, pointed, onPoint }: LineProperties) {
  const top = Math.max(...values, Number.MIN_VALUE)
  const x = (index: number) => (places[index] ?? 1) * 100
  const points = values
    .map((value, index) => `${x(index).toFixed(2)},${(40 - (value / top) * 38).toFixed(2)}`)
    .join(' ')
  return (
    <figure className={styles.line}>
      <figcaption>
        {name} <strong>{now}</strong> <span className="muted">highest {highest}</span>
      </figcaption>
      <svg
        viewBox="0 0 100 40"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name} over time: now ${now}, highest ${highest}`}
        onPointerMove={(event) => {
          const { left, width } = event.currentTarget.getBoundingClientRect()
          const share = Math.min(1, Math.max(0, (event.clientX - left) / width))
          const away = places.map((place) => Math.abs(place - share))
          onPoint(away.indexOf(Math.min(...away)))
        }}
        onPointerLeave={() => onPoint(null)}
      >
        <polygon points={`0,40 ${points} 100,40`} />
        <polyline points={points} vectorEffect="non-scaling-stroke" />
        {pointed !== null && <line x1={x(pointed)} x2={x(pointed)} y1="0" y2="40" vectorEffect="non-scaling-stroke" />}
      </svg>
    </figure>
  )
}
