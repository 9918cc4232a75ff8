// Checks notes and proofs of a journal with the packages that the Go checksum database uses.
// Reads one JSON object from standard input; prints one line for each check.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type input struct {
	Key       string
	Notes     []string
	Inclusion []struct {
		Size, Index int64
		Root, Entry []byte
		Proof       [][]byte
	}
	Consistency []struct {
		Earlier, Size     int64
		EarlierRoot, Root []byte
		Proof             [][]byte
	}
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verifier, err := note.NewVerifier(in.Key)
	say("key", err)
	for _, text := range in.Notes {
		opened, err := note.Open([]byte(text), note.VerifierList(verifier))
		say("note", err)
		if err == nil {
			fmt.Println(strings.Join(strings.Split(opened.Text, "\n")[:2], " "))
		}
	}
	for _, one := range in.Inclusion {
		hash := tlog.RecordHash(one.Entry)
		say("inclusion", tlog.CheckRecord(hashes(one.Proof), one.Size, hashOf(one.Root), one.Index, hash))
	}
	for _, one := range in.Consistency {
		say("consistency", tlog.CheckTree(hashes(one.Proof), one.Size, hashOf(one.Root), one.Earlier, hashOf(one.EarlierRoot)))
	}
}

func say(what string, err error) {
	if err != nil {
		fmt.Println(what, "FAILED:", err)
	} else {
		fmt.Println(what, "ok")
	}
}

func hashOf(bytes []byte) (hash tlog.Hash) {
	if copy(hash[:], bytes) != tlog.HashSize {
		panic(base64.StdEncoding.EncodeToString(bytes))
	}
	return
}

func hashes(all [][]byte) []tlog.Hash {
	list := make([]tlog.Hash, len(all))
	for i, one := range all {
		list[i] = hashOf(one)
	}
	return list
}
