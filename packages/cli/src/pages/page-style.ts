/** The style of the page. Its colours have a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3), in light and dark. */
export const PAGE_STYLE = `
:root {
  --text: #1c2024; --soft: #545c66; --page: #f6f7f9; --card: #fff; --line: #cfd5dc; --link: #0b57b0;
  --good: #11632f; --good-back: #e4f4e8; --unsure: #774c00; --unsure-back: #fdf1d8; --bad: #a11b1b; --bad-back: #fce8e6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e7eaee; --soft: #a5aeb9; --page: #14171a; --card: #1d2125; --line: #3b434c; --link: #8cbcff;
    --good: #7fd99a; --good-back: #14301e; --unsure: #f0c05f; --unsure-back: #362a10; --bad: #ff9d94; --bad-back: #3d1a18;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1.5rem; }
footer { color: var(--soft); padding-bottom: 2rem; }
h1, h2, h3, p, dd, td, th, li, a, summary { overflow-wrap: anywhere; unicode-bidi: plaintext; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.35rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: 1.05rem; margin: 0 0 .5rem; display: flex; flex-wrap: wrap; gap: .4rem .75rem; align-items: center; }
p { margin: .5rem 0; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: .5rem; padding: .5rem; background: var(--card); }
.kind { margin: 0; color: var(--soft); }
.banner { padding: .75rem 1rem; border: 1px solid; border-left-width: 6px; border-radius: 6px; margin: 0 0 1rem; }
.banner p { margin: 0; color: var(--text); }
.banner strong { font-size: 1.15rem; }
.good > p:first-child, .badge.good { color: var(--good); }
.unsure > p:first-child, .badge.unsure { color: var(--unsure); }
.bad > p:first-child, .badge.bad { color: var(--bad); }
.banner.good, .badge.good { border-color: var(--good); background: var(--good-back); }
.banner.unsure, .badge.unsure { border-color: var(--unsure); background: var(--unsure-back); }
.banner.bad, .badge.bad { border-color: var(--bad); background: var(--bad-back); }
.badge { font-size: .85rem; font-weight: 600; padding: .05rem .6rem; border: 1px solid; border-radius: 1rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.15rem; margin: 0 0 1rem; }
article.good { border-left: 6px solid var(--good); }
article.unsure { border-left: 6px dashed var(--unsure); }
article.bad { border-left: 6px dotted var(--bad); }
dl { margin: .75rem 0 0; }
dl div { display: grid; grid-template-columns: 9.5rem minmax(0, 1fr); gap: 0 1rem; padding: .2rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; background: var(--card); font-size: .95rem; }
caption { text-align: left; color: var(--soft); padding: 0 0 .35rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem; border: 1px solid var(--line); font-weight: 400; min-width: 7.5rem; }
thead th { color: var(--soft); }
details { margin: .75rem 0 0; }
summary { cursor: pointer; color: var(--link); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; max-height: 30rem; overflow: auto; background: var(--page); border: 1px solid var(--line);
  border-radius: 6px; padding: .75rem; font-size: .85rem; unicode-bidi: plaintext; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: .9rem; }
svg text { fill: var(--text); font: 12px system-ui, sans-serif; }
svg text.line0 { font-size: 14px; font-weight: 600; }
svg text.line2 { fill: var(--soft); font-family: ui-monospace, monospace; font-size: 11.5px; }
rect { fill: var(--card); stroke: var(--soft); }
rect.own { stroke: var(--link); stroke-width: 2; }
rect.dashed, path.dashed { stroke-dasharray: 5 4; }
path { fill: none; stroke: var(--soft); stroke-width: 1.5; }
rect.solid, path.solid { stroke: var(--good); stroke-width: 2; }
.bars { display: block; width: 100%; height: 9rem; background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
.bars rect.loads { fill: var(--link); stroke: none; }
.bars rect.refusals { fill: var(--bad); stroke: none; }
.axis { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .25rem 1rem; color: var(--soft); font-size: .9rem; }
.key::before { content: "\\25a0  "; }
.key.loads::before { color: var(--link); }
.key.refusals::before { color: var(--bad); }
.tree, .tree ul { padding-left: 1.25rem; }
@media (max-width: 40rem) {
  h1 { font-size: 1.5rem; }
  header, main, footer { padding-left: .9rem; padding-right: .9rem; }
  dl div { grid-template-columns: minmax(0, 1fr); padding: .3rem 0; }
  dt { font-size: .85rem; }
  table, tbody, tr, th[scope=row], td { display: block; }
  table { background: none; }
  thead { position: absolute; left: -100rem; }
  caption { display: block; }
  tr { background: var(--card); border: 1px solid var(--line); padding: .5rem .75rem; margin-bottom: .6rem; border-radius: 6px; }
  th[scope=row], td { border: 0; padding: .1rem 0; }
  th[scope=row] { font-weight: 600; }
  td:empty { display: none; }
  td::before { content: attr(data-name) ": "; color: var(--soft); }
}
@media print { body { background: none; } details { display: block; } }
`
