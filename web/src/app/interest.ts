/* Which metrics people look for first: what says how good a model is, then the rest, then what only says how far it came. */
const QUALITY = /loss|acc|top\d|auc|f1|precision|recall|rmse|mae|mse|r2|error|reward|elo|score|perplexity/i;
const PROGRESS = /^(epoch|step|global_step)$|per_s|_seconds$|_ms$|^lr$|learning_rate|^time/i;

export const rank = (key: string) => (PROGRESS.test(key) ? 2 : QUALITY.test(key) ? 0 : 1);

export const byInterest = (a: string, b: string) => rank(a) - rank(b) || a.localeCompare(b);
