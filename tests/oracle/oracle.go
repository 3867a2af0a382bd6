// Oracle checks a log of Karez with Go's own sumdb packages, which share no code with it.
//
// It is built by `cargo xtask test oracle`, in a module beside copies of golang.org/x/mod/sumdb/note and
// tlog from the Go distribution. Arguments: address of a running node, a token that may write, the verifier
// key of its log, a proof file for what `main` points at, a folder of evidence of forks, the key for those.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"oracle/note"
	"oracle/tlog"
)

var passed, failed int

func check(what string, held bool) {
	if held {
		passed++
		return
	}
	failed++
	fmt.Printf("   NOT HELD: %s\n", what)
}

func must(err error) {
	if err != nil {
		fmt.Printf("   %v\n", err)
		fmt.Printf("%d passed, %d failed\n", passed, failed+1)
		os.Exit(1)
	}
}

func fetch(address string) ([]byte, error) {
	answer, err := http.Get(address)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return nil, fmt.Errorf("%s: %s", address, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, 1<<20))
}

// Checkpoint is what the text of a note says.
type Checkpoint struct {
	origin string
	tree   tlog.Tree
}

func openCheckpoint(text []byte, verifier note.Verifier) (*Checkpoint, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != verifier.Name() {
		return nil, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] || size < 0 {
		return nil, errors.New("not a size")
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return nil, err
	}
	return &Checkpoint{lines[0], tlog.Tree{N: size, Hash: hash}}, nil
}

// Tiles reads tiles over HTTP; tlog.TileHashReader verifies them against the root.
type Tiles struct {
	node string
	flip bool
}

func (t *Tiles) Height() int                               { return 8 }
func (t *Tiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (t *Tiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := fetch(t.node + "/log/" + path)
		if err != nil {
			return nil, err
		}
		if t.flip {
			data[len(data)/2] ^= 4
		}
		all = append(all, data)
	}
	return all, nil
}

func entries(node string, size int64) ([][]byte, error) {
	var all [][]byte
	for index := int64(0); index*256 < size; index++ {
		tile := tlog.Tile{H: 8, L: 0, N: index, W: int(min(256, size-index*256))}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		data, err := fetch(node + "/log/" + path)
		if err != nil {
			return nil, err
		}
		for len(data) >= 2 {
			length := int(binary.BigEndian.Uint16(data))
			if len(data) < 2+length {
				return nil, errors.New("a bundle is cut off")
			}
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	if int64(len(all)) != size {
		return nil, fmt.Errorf("%d entries in bundles, %d in the checkpoint", len(all), size)
	}
	return all, nil
}

// flips calls refuses with each byte of text changed in one bit. The character before the padding of
// base64 is left alone: Go ignores the bits in it that mean nothing.
func flips(what string, text []byte, accepts func([]byte) bool) {
	for at := range text {
		if at+1 < len(text) && text[at+1] == '=' || text[at] == '=' {
			continue
		}
		bad := bytes.Clone(text)
		bad[at] ^= 1
		check(fmt.Sprintf("%s with byte %d flipped is refused", what, at), !accepts(bad))
	}
}

func waitFor(node string, verifier note.Verifier, least int64) (*Checkpoint, []byte) {
	for {
		text, err := fetch(node + "/log/checkpoint")
		if err == nil {
			checkpoint, err := openCheckpoint(text, verifier)
			must(err)
			if checkpoint.tree.N >= least {
				return checkpoint, text
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func tag(node, token string, number int) {
	body := strings.NewReader(fmt.Sprintf(`{"tag":"v%d"}`, number))
	request, err := http.NewRequest("POST", node+"/api/models/admin/river/tag/main", body)
	must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	must(err)
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	if answer.StatusCode != 200 {
		must(fmt.Errorf("tag: %s", answer.Status))
	}
}

func liveLog(node, token string, verifier note.Verifier) {
	first, text := waitFor(node, verifier, 1)
	flips("a checkpoint", text, func(bad []byte) bool {
		_, err := openCheckpoint(bad, verifier)
		return err == nil
	})
	trees := []tlog.Tree{first.tree}
	number := 0
	for _, more := range []int{1, 6, 248, 1, 300} {
		for range more {
			tag(node, token, number)
			number++
		}
		checkpoint, _ := waitFor(node, verifier, first.tree.N+int64(number))
		trees = append(trees, checkpoint.tree)
	}
	newest := trees[len(trees)-1]
	reader := tlog.TileHashReader(newest, &Tiles{node: node})

	// The root from nothing but the entries.
	all, err := entries(node, newest.N)
	must(err)
	var stored []tlog.Hash
	memory := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	for index, entry := range all {
		hashes, err := tlog.StoredHashes(int64(index), entry, memory)
		must(err)
		stored = append(stored, hashes...)
	}
	for _, tree := range trees {
		root, err := tlog.TreeHash(tree.N, memory)
		check(fmt.Sprintf("the root of %d entries is that of Go", tree.N), err == nil && root == tree.Hash)
	}

	for index, entry := range all {
		leaf := tlog.RecordHash(entry)
		proof, err := tlog.ProveRecord(newest.N, int64(index), reader)
		held := err == nil && tlog.CheckRecord(proof, newest.N, newest.Hash, int64(index), leaf) == nil
		check(fmt.Sprintf("entry %d is proved by the node's tiles", index), held)
		leaf[0] ^= 1
		check(fmt.Sprintf("entry %d with a bit flipped is refused", index),
			tlog.CheckRecord(proof, newest.N, newest.Hash, int64(index), leaf) != nil)
	}
	for _, old := range trees {
		proof, err := tlog.ProveTree(newest.N, old.N, reader)
		held := err == nil && tlog.CheckTree(proof, newest.N, newest.Hash, old.N, old.Hash) == nil
		check(fmt.Sprintf("%d entries are the beginning of %d", old.N, newest.N), held)
		wrong := old.Hash
		wrong[31] ^= 1
		check(fmt.Sprintf("another root of %d entries is refused", old.N),
			tlog.CheckTree(proof, newest.N, newest.Hash, old.N, wrong) != nil)
	}
	forged := tlog.TileHashReader(newest, &Tiles{node: node, flip: true})
	_, err = tlog.ProveRecord(newest.N, 3, forged)
	check("a tile with a bit flipped is refused", err != nil)
}

// parseHead cuts off the first lines, up to an empty one.
func parseHead(text []byte) ([]string, []byte, error) {
	head, rest, found := bytes.Cut(text, []byte("\n\n"))
	if !found {
		return nil, nil, errors.New("there is no empty line")
	}
	return strings.Split(string(head), "\n"), rest, nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

// verifyProof checks a tlog-proof whose extra data is the entry; returns the entry.
func verifyProof(text []byte, verifier note.Verifier) ([]byte, error) {
	lines, rest, err := parseHead(text)
	if err != nil {
		return nil, err
	}
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return nil, errors.New("not a proof")
	}
	extra, isExtra := strings.CutPrefix(lines[1], "extra ")
	number, isIndex := strings.CutPrefix(lines[2], "index ")
	entry, err := base64.StdEncoding.DecodeString(extra)
	if err != nil || !isExtra || !isIndex {
		return nil, errors.New("not a proof with its entry")
	}
	index, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil, err
	}
	hashes, err := parseHashes(lines[3:])
	if err != nil {
		return nil, err
	}
	checkpoint, err := openCheckpoint(rest, verifier)
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= checkpoint.tree.N {
		return nil, errors.New("an index beyond the log")
	}
	return entry, tlog.CheckRecord(hashes, checkpoint.tree.N, checkpoint.tree.Hash, index, tlog.RecordHash(entry))
}

// verifyEvidence checks that a log has signed two histories; see docs/log.md.
func verifyEvidence(text []byte, verifier note.Verifier) error {
	lines, rest, err := parseHead(text)
	if err != nil {
		return err
	}
	if lines[0] != "karez.log/fork@v1" {
		return errors.New("not evidence of a fork")
	}
	// The first note ends at the second empty line: its text has none, and its signatures end there.
	parts := bytes.SplitN(rest, []byte("\n\n"), 3)
	if len(parts) != 3 {
		return errors.New("not two notes")
	}
	one := append(append(append([]byte{}, parts[0]...), "\n\n"...), append(parts[1], '\n')...)
	first, err := openCheckpoint(one, verifier)
	if err != nil {
		return err
	}
	second, err := openCheckpoint(parts[2], verifier)
	if err != nil {
		return err
	}
	if len(lines) == 1 {
		if first.tree.N == second.tree.N && first.tree.Hash != second.tree.Hash {
			return nil
		}
		return errors.New("no contradiction")
	}
	text1, isRoot := strings.CutPrefix(lines[1], "root ")
	root, err := tlog.ParseHash(text1)
	if err != nil || !isRoot {
		return errors.New("not a root")
	}
	proof, err := parseHashes(lines[2:])
	if err != nil {
		return err
	}
	if root == first.tree.Hash || first.tree.N < 1 || first.tree.N >= second.tree.N {
		return errors.New("no contradiction")
	}
	return tlog.CheckTree(proof, second.tree.N, second.tree.Hash, first.tree.N, root)
}

func main() {
	if len(os.Args) != 7 {
		must(errors.New("arguments: NODE TOKEN KEY PROOF EVIDENCE-FOLDER EVIDENCE-KEY"))
	}
	node, token := os.Args[1], os.Args[2]
	verifier, err := note.NewVerifier(os.Args[3])
	must(err)

	// The key of the node is its name.
	key, err := base64.StdEncoding.DecodeString(strings.SplitN(os.Args[3], "+", 3)[2])
	must(err)
	digest := sha256.Sum256(key[1:])
	check("the log is named after its key", verifier.Name() == fmt.Sprintf("%x.karez/log", digest[:16]))

	proof, err := os.ReadFile(os.Args[4])
	must(err)
	entry, err := verifyProof(proof, verifier)
	check("the proof holds", err == nil)
	check("the proof carries its entry", bytes.HasPrefix(entry, []byte(`{"v":1,"k":"`)))
	flips("a proof", proof, func(bad []byte) bool {
		_, err := verifyProof(bad, verifier)
		return err == nil
	})

	forked, err := note.NewVerifier(os.Args[6])
	must(err)
	files, err := filepath.Glob(filepath.Join(os.Args[5], "fork-*"))
	must(err)
	check("there is evidence of both kinds", len(files) >= 4)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(err)
		check(filepath.Base(file)+" holds", verifyEvidence(text, forked) == nil)
		check(filepath.Base(file)+" says nothing of another log", verifyEvidence(text, verifier) != nil)
		flips(filepath.Base(file), text, func(bad []byte) bool { return verifyEvidence(bad, forked) == nil })
	}
	honest, err := os.ReadFile(filepath.Join(os.Args[5], "honest"))
	must(err)
	check("an honest history is no fork", verifyEvidence(honest, forked) != nil)

	liveLog(node, token, verifier)
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
