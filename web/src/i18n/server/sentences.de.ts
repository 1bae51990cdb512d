/* Sentences that the program says in many places, in German, by the English sentence as it stands in the program: {} is a number,
 * {#} one that is not to be grouped (a version, a port), {*} any text. Errors are not here: they have a kind (useKindOfProblem), and
 * what exactly went wrong stays in the server's words. */
export type Template = [english: string, german: string];

const fallen = (did: string, tat: string, beside: string, daneben: string): Template => [
  `Production (version {#}) has ${did} {} of {} since it was promoted, and had {} of {} when it was: {}, at most {} with {} % at all times, more than the margin of {} below its record. Version {#}, which it replaced, is provably better: {} of {} ${beside}. It comes back.`,
  `Production (Version {0}) hat seit der Beförderung {1} von {2} ${tat}, bei der Beförderung waren es {3} von {4}: {5}, höchstens {6} mit {7} % zu jeder Zeit, also mehr als die Marge von {8} unter der bisherigen Quote. Version {9}, die dadurch ersetzt wurde, ist nachweislich besser: {10} von {11} ${daneben}. Sie kommt zurück.`,
];
const compared = (did: string, tat: string, so: string, also: string): Template => [
  `Since both have their alias, B (version {#}) ${did} {} of {} and Production (version {#}) {} of {}: {}, between {} and {} with {} % at all times; p {}, alpha {} (meeting {} of the two). ${so}`,
  `Seit beide ihren Alias haben, hat B (Version {0}) {1} von {2} ${tat} und Production (Version {3}) {4} von {5}: {6}, zwischen {7} und {8} mit {9} % zu jeder Zeit; p {10}, Alpha {11} (Vergleich Nr. {12} der beiden). ${also}`,
];
const tooFew = (what: string, was: string): Template => [
  `Since both have their alias, B (version {#}) has {} ${what} and Production (version {#}) {}: each needs {} before they are compared.`,
  `Seit beide ihren Alias haben, hat B (Version {0}) {1} ${was} und Production (Version {2}) {3}: Jede braucht {4}, bevor sie verglichen werden.`,
];

export const sentences: Template[] = [
  // health and check-up: what is looked at
  ['store', 'Datenbank'],
  ['blobs', 'Objekte'],
  ['disk', 'Speicherplatz'],
  ['data folder', 'Datenordner'],
  ['server', 'Server'],
  ['cores', 'Kerne'],
  ['backup', 'Sicherung'],
  ['disk budget', 'Platzbudget'],
  ['engine', 'Engine'],
  // how it is
  ['good', 'in Ordnung'],
  ['sqlite {*}, integrity check clean', 'SQLite {0}, Integritätsprüfung ohne Befund'],
  ['postgresql {*}, integrity check clean', 'PostgreSQL {0}, Integritätsprüfung ohne Befund'],
  ['sqlite {*}', 'SQLite {0}'],
  ['postgresql {*}', 'PostgreSQL {0}'],
  ['{} blobs, {} bytes', '{0} Objekte, {1} Byte'],
  ['{} MiB free', '{0} MiB frei'],
  ['{} MiB free in {*}', '{0} MiB frei in {1}'],
  ["{} MiB are left in '{*}'", 'Nur noch {0} MiB frei in „{1}“'],
  ['only {} MiB free', 'Nur noch {0} MiB frei'],
  ['running, pid {#}', 'läuft, PID {0}'],
  ['running, pid {#}, {*}', 'läuft, PID {0}, {1}'],
  ['not running (skerry serve starts it)', 'läuft nicht (skerry serve startet ihn)'],
  ['{} usable', '{0} nutzbar'],
  ['none yet (skerry backup DIR makes one)', 'noch keine (skerry backup DIR macht eine)'],
  ['made {} hours ago, the newest verified one is of never', 'vor {0} Stunden gemacht, noch keine geprüft'],
  ['made {} days ago, the newest verified one is of never', 'vor {0} Tagen gemacht, noch keine geprüft'],
  ['made {} hours ago, the newest verified one is of {} hours ago', 'vor {0} Stunden gemacht, die neueste geprüfte ist {1} Stunden alt'],
  ['made {} hours ago, the newest verified one is of {} days ago', 'vor {0} Stunden gemacht, die neueste geprüfte ist {1} Tage alt'],
  ['made {} days ago, the newest verified one is of {} days ago', 'vor {0} Tagen gemacht, die neueste geprüfte ist {1} Tage alt'],
  ['{} MiB used, no SKERRY_DISK_BUDGET', '{0} MiB belegt, kein SKERRY_DISK_BUDGET'],
  ['{} of {} MiB used (ok)', '{0} von {1} MiB belegt'],
  ['{} of {} MiB used (near)', '{0} von {1} MiB belegt, fast voll'],
  ['{} of {} MiB used (full)', '{0} von {1} MiB belegt, voll'],
  ['Stockfish {*}, /{*}', 'Stockfish {0}, /{1}'],
  // what to do next
  ['restore a backup: docs/operations.md', 'eine Sicherung zurückspielen: docs/operations.md'],
  ['see that the S3 server runs: docs/operations.md', 'nachsehen, ob der S3-Server läuft: docs/operations.md'],
  ['check the permissions of the blobs folder', 'die Rechte des Ordners der Objekte prüfen'],
  ['make room, or move SKERRY_HOME', 'Platz schaffen oder SKERRY_HOME verlegen'],
  ['run as its owner, or set SKERRY_HOME', 'als sein Eigentümer starten oder SKERRY_HOME setzen'],
  ['skerry backup DIR, then skerry backup verify DIR: docs/operations.md', 'skerry backup DIR, dann skerry backup verify DIR: docs/operations.md'],
  ["delete runs or files and run 'skerry gc', or raise SKERRY_DISK_BUDGET: docs/operations.md", 'Läufe oder Dateien löschen und „skerry gc“ aufrufen, oder SKERRY_DISK_BUDGET erhöhen: docs/operations.md'],
  ['see what is said of the disk and the blobs', 'siehe Speicherplatz und Objekte'],
  ['set CHESS_ENGINE to a UCI engine, to auto or to off', 'CHESS_ENGINE auf eine UCI-Engine, auto oder off setzen'],
  // what a job waits for, and what became of it
  ['it waits for the jobs that it needs', 'auf die Aufträge, die er braucht'],
  ['its last try failed: it waits for the next one', 'auf den nächsten Versuch, nachdem der letzte fehlgeschlagen ist'],
  ['it waits for its time', 'auf seine Zeit'],
  ['it waits for its turn: {} living workers could take it', 'bis er an der Reihe ist; Worker, die ihn annehmen können: {0}'],
  ['all {} workers that could take it are draining', 'auf einen Worker: Alle {0}, die ihn annehmen könnten, sind abgemeldet'],
  ['no living worker takes jobs of the kind {*}: start one that does (skerry workers shows who takes what)', 'auf einen Worker für Aufträge der Art {0}: Starte einen (skerry workers zeigt, wer was annimmt)'],
  ['it needs a file in the data folder {*}, and no process of that folder runs: start skerry serve there', 'auf den Server des Datenordners {0}, der eine nötige Datei hat: Starte dort skerry serve'],
  ['it needs a file in the data folder {*}, where nobody takes jobs of the kind {*}', 'auf einen Worker für {1} am Datenordner {0}, der eine nötige Datei hat'],
  ['needs job {*}, which is failed: replay that one', 'Braucht Auftrag {0}, der fehlgeschlagen ist: Versuche jenen noch einmal.'],
  ['needs job {*}, which is stopped: replay that one', 'Braucht Auftrag {0}, der angehalten wurde: Versuche jenen noch einmal.'],
  ['its worker {*} died or fell silent ({} in a row without progress)', 'Sein Worker {0} ist abgestürzt oder verstummt (zum {1}. Mal ohne Fortschritt).'],
  ['its worker {*} died or fell silent: killed, cut off, or its machine went down ({} in a row without progress)', 'Sein Worker {0} wurde beendet oder getrennt, oder sein Rechner fiel aus (zum {1}. Mal ohne Fortschritt).'],
  // plugins that come with the program
  ['Tells who castled where and when.', 'Sagt, wer wann wohin rochiert hat.'],
  ['Finds the move that changed the evaluation most.', 'Findet den Zug, der die Bewertung am stärksten verändert hat.'],
  ['Counts the half moves of a game.', 'Zählt die Halbzüge einer Partie.'],
  ['Tells whether the queens were exchanged, and when.', 'Sagt, ob und wann die Damen getauscht wurden.'],
  ['no answer for this game', 'keine Antwort für diese Partie'],
  ['the plugin gave no reason', 'das Plugin nannte keinen Grund'],
  // kinds and families of models
  ['Chess', 'Schach'],
  ['Chess policy and value', 'Policy und Value für Schach'],
  ['Rock, paper, scissors', 'Schere, Stein, Papier'],
  ['Networks that play as policy brian.', 'Neuronale Netze, die als Gegner brian spielen.'],
  ['Boosted trees that play as policy forrest.', 'Geboostete Bäume, die als Gegner forrest spielen.'],
  ['Logistic regressions that play as policy logan.', 'Logistische Regressionen, die als Gegner logan spielen.'],
  // promotions
  ['asked for over HTTP', 'über HTTP verlangt'],
  ['trained for this alias', 'für diesen Alias trainiert'],
  ['Production is empty: nothing to compare with.', 'Production ist leer: Es gibt nichts zu vergleichen.'],
  ['B is empty: nothing to compare with.', 'B ist leer: Es gibt nichts zu vergleichen.'],
  ['Production and B are the same version.', 'Production und B sind dieselbe Version.'],
  ['Version {#} is right more often than version {#}: {*} over {*}.', 'Version {0} liegt öfter richtig als Version {1}: {2} vor {3}.'],
  tooFew('outcomes', 'Ergebnisse'),
  tooFew('judged predictions', 'überprüfte Vorhersagen'),
  ...[['won', 'gewonnen'], ['predicted right', 'richtig vorhergesagt']].flatMap(([did, tat]) => [
    fallen(did!, tat!, 'beside it', 'daneben'),
    fallen(did!, tat!, 'in its own time', 'zu ihrer Zeit'),
    compared(did!, tat!, 'B is better: they change places.', 'B ist besser: Sie tauschen die Plätze.'),
    compared(did!, tat!, 'That B is better is not shown: Production stays.', 'Dass B besser ist, ist nicht gezeigt: Production bleibt.'),
  ]),
];
