export function neededLibraries(file: string): string[];
export function runPaths(file: string): string[];
export function newestSymbolVersion(file: string, prefix: string): string | null;
export function exportedSymbols(file: string): string[];
