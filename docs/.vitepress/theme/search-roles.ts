/**
 * The theme gives the box of the search the role of a button, wraps links in options, and names results and keys in ways that assistive
 * technology ignores. This makes the box a dialog, and each link an option called what it shows (WCAG 2.5.3 and 4.1.2).
 */
export function correctSearchRoles(): void {
  const correct = () => {
    const box = document.querySelector('.VPLocalSearchBox')
    if (box) correctBox(box)
  }
  new MutationObserver(correct).observe(document.documentElement, {
    childList: true,
    subtree: true,
    attributeFilter: ['aria-selected'],
  })
}

function correctBox(box: Element): void {
  change(box, { role: 'dialog', 'aria-label': 'Search' })
  change(box, { 'aria-owns': null, 'aria-expanded': null, 'aria-haspopup': null, 'aria-labelledby': null })
  for (const key of box.querySelectorAll('kbd[aria-label]')) change(key, { role: 'img' })
  for (const link of box.querySelectorAll('li > .result')) {
    const item = link.parentElement
    if (!item) continue
    const id = link.id || item.id
    change(item, { role: 'presentation', id: null, 'aria-selected': null })
    change(link, {
      role: 'option',
      id,
      'aria-label': null,
      'aria-selected': String(link.classList.contains('selected')),
    })
  }
}

/** Sets attributes, or removes them, unless they are already as wanted: each change would call the observer. */
function change(element: Element, attributes: Record<string, string | null>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) === value) continue
    if (value === null) element.removeAttribute(name)
    else element.setAttribute(name, value)
  }
}
