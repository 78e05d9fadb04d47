import type { CaseResult } from './rounds.ts';
import { summarize } from './statistics.ts';

const WIDTH = 760;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 70;
const BAR_HEIGHT = 14;
const ROW_HEIGHT = 19;
const TITLE_HEIGHT = 34;
const GAP = 12;

/** Colours with enough contrast on white and on near-black; the viewer chooses by its colour scheme. */
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 13px }
  .ours { fill: #0969da } .peer { fill: #8c959f } .floor { fill: #bf8700 }
  .note { fill: #57606a }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ours { fill: #4493f8 } .peer { fill: #7d8590 } .floor { fill: #d29922 }
    .note { fill: #9198a1 }
  }`;

/** Draws the median wall times as horizontal bars, one group for each image, each group on its own scale. */
export function drawChart(cases: readonly CaseResult[]): string {
  const groups: string[] = [];
  let top = GAP;
  for (const result of cases) {
    groups.push(drawGroup(result, top));
    top += TITLE_HEIGHT + result.cells.length * ROW_HEIGHT + GAP;
  }
  const title = cases[0]?.scenario.title ?? '';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" role="img" aria-label="${escapeXml(`Median wall times. ${title}`)}">
<style>${STYLE}
</style>
${groups.join('\n')}
</svg>
`;
}

function drawGroup({ image, cells }: CaseResult, top: number): string {
  const walls = cells.map((cell) => summarize(cell)?.wall.median);
  const longest = Math.max(...walls.map((wall) => wall ?? 0), Number.MIN_VALUE);
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH - 2 * GAP;
  const rows = cells.map(({ contender, kind }, index) => {
    const wall = walls[index];
    const y = top + TITLE_HEIGHT + index * ROW_HEIGHT;
    const length = Math.max(1, ((wall ?? 0) / longest) * room);
    const label = `<text x="${LABEL_WIDTH}" y="${y}" text-anchor="end">${escapeXml(contender)}</text>`;
    const left = LABEL_WIDTH + 8;
    if (wall === undefined) return `${label}<text class="note" x="${left}" y="${y}">cannot</text>`;
    return (
      `${label}<rect class="${kind}" x="${left}" y="${y - BAR_HEIGHT + 3}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>` +
      `<text x="${(left + length + 6).toFixed(1)}" y="${y}">${wall.toFixed(2)} s</text>`
    );
  });
  return [`<text class="title" x="${GAP}" y="${top + GAP}">${escapeXml(image.title)}</text>`, ...rows].join('\n');
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
