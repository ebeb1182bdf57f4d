// Package plainjson reads and writes JSON as encoding/json does, without that package's tables of types.
//
// encoding/json first makes a table of every type that a value may hold: for a config.json, a profile or a container's record up to half a
// megabyte and a millisecond, in a program that reads each of them once and then ends. What is plain is read and written here:
// structs with tags, slices, maps with string keys, pointers, text, whole numbers, true and false. What is not (a type with a
// reader or a writer of its own, a number with a fraction, bytes in base64, escapes in text) is left to encoding/json, value by
// value, so results are the same for every type. Types must have no cycles.
package plainjson
