import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme-without-fonts'
import { correctSearchRoles } from './search-roles.ts'
import './style.css'

const theme: Theme = {
  extends: DefaultTheme,
  enhanceApp() {
    if (typeof document !== 'undefined') correctSearchRoles()
  },
}

export default theme
