/* Everything that pages are made of: import { Page, DataTable, Chart, ... } from '../../ui'. */
export * from './action';
export * from './buttons';
export * from './chart';
export * from './dialog';
export * from './fields';
export * from './icons';
export * from './page';
export * from './problem';
export * from './states';
export * from './table';
export * from './tabs';
export * from './toast';
export * from './values';
export { download, toCsv } from './csv';
