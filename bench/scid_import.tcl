# SPDX-License-Identifier: GPL-3.0-or-later
# Makes a Scid database from a PGN file, as its own File > New and Import do; prints how many games it has.
# usage: tkscid scid_import.tcl DATABASE FILE    (no display is needed)
lassign $argv database file
if {[catch {sc_base create SCID4 $database} id]} {
    puts stderr "scid: creating $database: $id"
    exit 1
}
if {[catch {sc_base import $id $file} problem]} {
    puts stderr "scid: importing $file: $problem"
    exit 1
}
puts [sc_base numGames $id]
sc_base close $id
exit 0
