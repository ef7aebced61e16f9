'use client'

import { useEffect, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { count } from '@/lib/numbers'
import { lastHour, spanOf, type Minute } from '@/lib/engine'
import { minute } from '@/lib/time'
import styles from './VolumeChart.module.css'

const HEIGHT = 220

/**
 * Transactions of the last hour by minute as an area, and the flagged ones of each as bars on a scale of their own; below
 * them the figures of the minute that is pointed at, or else of all.
 */
export function VolumeChart({ volume, until }: { volume: readonly Minute[]; until: string }) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const [pointed, setPointed] = useState<number | null>(null)
  const hour = lastHour(volume, until)
  const data: uPlot.AlignedData = [
    hour.map(({ at }) => Date.parse(at) / 1000),
    hour.map(({ transactions }) => transactions),
    hour.map(({ flagged }) => flagged),
  ]
  const newest = useRef(data)
  useEffect(() => {
    newest.current = data
    plot.current?.setData(data)
  })

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const draw = () => {
      plot.current?.destroy()
      plot.current = new uPlot(optionsFor(element, setPointed), newest.current, element)
    }
    draw()
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }))
    sized.observe(element)
    // A canvas does not follow the theme by itself.
    const themed = new MutationObserver(draw)
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    const system = matchMedia('(prefers-color-scheme: dark)')
    system.addEventListener('change', draw)
    return () => {
      sized.disconnect()
      themed.disconnect()
      system.removeEventListener('change', draw)
      plot.current?.destroy()
      plot.current = null
    }
  }, [])

  const all = hour.reduce((sum, { transactions }) => sum + transactions, 0)
  const flagged = hour.reduce((sum, minute) => sum + minute.flagged, 0)
  const told = pointed === null ? undefined : hour[pointed]
  return (
    <>
      <div
        ref={place}
        className={styles.chart}
        role="img"
        aria-label={`${count(all)} transactions in the ${spanOf(hour)}, ${count(flagged)} of them flagged, by minute`}
        data-testid="volume"
      />
      <p className={styles.legend} data-testid="legend">
        <span className={styles.transactions}>{count(told?.transactions ?? all)} transactions</span>
        <span className={styles.flagged}>{count(told?.flagged ?? flagged)} flagged</span>
        <span className="muted">{told ? `${minute(Date.parse(told.at))} UTC` : `in the ${spanOf(hour)}`}</span>
      </p>
    </>
  )
}

function optionsFor(element: HTMLElement, onPoint: (index: number | null) => void): uPlot.Options {
  const colour = (name: string) => {
    element.style.color = `var(--${name})`
    const value = getComputedStyle(element).color
    element.style.color = ''
    return value
  }
  const text = colour('muted')
  const line = { stroke: colour('line'), width: 1 }
  const axis = { stroke: text, font: '11px system-ui', ticks: line }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [10, 0, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    scales: {
      x: { range: (_, min, max) => [min - 30, max + 30] },
      transactions: { range: (_, __, max) => [0, Math.max(5, max * 1.1)] },
      flagged: { range: (_, __, max) => [0, Math.max(4, max * 2.5)] },
    },
    axes: [
      { ...axis, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => minute(tick * 1000)) },
      { ...axis, scale: 'transactions', grid: line, size: 52 },
      {
        ...axis,
        scale: 'flagged',
        side: 1,
        grid: { show: false },
        size: 36,
        stroke: colour('critical'),
        incrs: [1, 2, 5, 10, 20, 50, 100, 500],
      },
    ],
    series: [
      {},
      {
        scale: 'transactions',
        stroke: colour('accent'),
        fill: colour('selected'),
        width: 1.5,
        points: { show: false },
      },
      {
        scale: 'flagged',
        stroke: colour('critical'),
        fill: colour('critical'),
        paths: uPlot.paths.bars?.({ size: [0.5, 24] }),
        points: { show: false },
      },
    ],
    cursor: { y: false, drag: { setScale: false } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  }
}
