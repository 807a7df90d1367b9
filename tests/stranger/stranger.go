// SPDX-License-Identifier: Apache-2.0

// Verifies a Sallyport journal with the checksum database's own note and tlog packages, and with no
// code of Sallyport: signature, tiles, every record's inclusion, every older checkpoint.
package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Tiles as they lie in the journal: sumdb's paths have the height in them, tlog-tiles' have not.
type tiles struct{ dir string }

func (t tiles) Height() int { return 8 }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		path := filepath.Join(t.dir, strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && tile.W < 256 {
			full := tile
			full.W = 256 // partial tiles go when they are full
			data, err = os.ReadFile(filepath.Join(t.dir, strings.Replace(full.Path(), "tile/8/", "tile/", 1)))
			if err == nil && len(data) >= tile.W*tlog.HashSize {
				data = data[:tile.W*tlog.HashSize]
			}
		}
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", path, len(data))
		}
		all = append(all, data)
	}
	return all, nil
}

type checkpoint struct {
	size int64
	root tlog.Hash
}

func open(text []byte, verifier note.Verifier) (checkpoint, error) {
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return checkpoint{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return checkpoint{}, errors.New("not a checkpoint of " + verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return checkpoint{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return checkpoint{}, errors.New("not a root")
	}
	c := checkpoint{size: size}
	copy(c.root[:], root)
	return c, nil
}

// The records: lines of segments; what a segment has from the next one's first seq on is void.
func records(journal string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(journal, "seg", "*.jsonl"))
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	var all []string
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		first, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".jsonl"))
		if first != len(all)+1 {
			return nil, fmt.Errorf("%s does not follow record %d", name, len(all))
		}
		end := int(^uint(0) >> 1)
		if i+1 < len(names) {
			end, _ = strconv.Atoi(strings.TrimSuffix(filepath.Base(names[i+1]), ".jsonl"))
		}
		for _, line := range strings.Split(strings.TrimRight(string(data), "\x00"), "\n") {
			if line != "" && len(all)+1 < end {
				all = append(all, line)
			}
		}
	}
	return all, nil
}

// The records as the exported folder has them.
func bundles(folder string, size int64) ([]string, error) {
	var all []string
	for index := int64(0); index*256 < size; index++ {
		width := size - index*256
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: 8, L: 0, N: index, W: int(width)}
		path := filepath.Join(folder, strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1))
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for len(data) > 2 {
			n := int(data[0])<<8 | int(data[1])
			if len(data) < 2+n {
				return nil, errors.New("a bundle is cut short")
			}
			all = append(all, string(data[2:2+n]))
			data = data[2+n:]
		}
	}
	return all, nil
}

func checkRecords(all []string, now checkpoint, reader tlog.HashReader) error {
	last := ""
	for i, line := range all {
		var fields struct {
			Seq  int64  `json:"seq"`
			Time string `json:"timestamp_utc"`
		}
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			return fmt.Errorf("record %d: %v", i+1, err)
		}
		if fields.Seq != int64(i+1) || fields.Time < last {
			return fmt.Errorf("record %d is out of order", i+1)
		}
		last = fields.Time
		if int64(i) >= now.size {
			continue
		}
		proof, err := tlog.ProveRecord(now.size, int64(i), reader)
		if err != nil {
			return err
		}
		err = tlog.CheckRecord(proof, now.size, now.root, int64(i), tlog.RecordHash([]byte(line)))
		if err != nil {
			return fmt.Errorf("record %d: %v", i+1, err)
		}
		if tlog.CheckRecord(proof, now.size, now.root, int64(i), tlog.RecordHash([]byte(line+"."))) == nil {
			return errors.New("a changed record passes")
		}
	}
	if int64(len(all)) < now.size {
		return fmt.Errorf("%d records, %d were signed", len(all), now.size)
	}
	return nil
}

func checkOlder(old, now checkpoint, reader tlog.HashReader) error {
	if old.size > now.size {
		return fmt.Errorf("a checkpoint of %d records is newer than that of %d", old.size, now.size)
	}
	root, err := tlog.TreeHash(old.size, reader)
	if err != nil {
		return err
	}
	if root != old.root {
		return fmt.Errorf("the checkpoint of %d records is of another log", old.size)
	}
	proof, err := tlog.ProveTree(now.size, old.size, reader)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, now.size, now.root, old.size, old.root)
}

func verify(journal, vkey, seen string, exported bool) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(journal, "checkpoint"))
	if err != nil {
		return err
	}
	now, err := open(text, verifier)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: now.size, Hash: now.root}, tiles{journal})
	var all []string
	if exported {
		all, err = bundles(journal, now.size)
	} else {
		all, err = records(journal)
	}
	if err != nil {
		return err
	}
	if err := checkRecords(all, now, reader); err != nil {
		return err
	}
	var older [][]byte
	if seen != "" {
		text, err := os.ReadFile(seen)
		if err != nil {
			return err
		}
		older = append(older, text)
	}
	days, _ := filepath.Glob(filepath.Join(journal, "checkpoints", "*", "*", "*.notes"))
	for _, day := range days {
		data, err := os.ReadFile(day)
		if err != nil {
			return err
		}
		parts := strings.Split(strings.TrimSuffix(string(data), "\n\n"), "\n\n")
		for i := 0; i+1 < len(parts); i += 2 {
			older = append(older, []byte(parts[i]+"\n\n"+parts[i+1]+"\n"))
		}
	}
	for _, text := range older {
		old, err := open(text, verifier)
		if err != nil {
			return err
		}
		if err := checkOlder(old, now, reader); err != nil {
			return err
		}
	}
	fmt.Printf("%d records, %d older checkpoints\n", now.size, len(older))
	return nil
}

func main() {
	journal := flag.String("journal", "", "the journal, or an exported folder")
	exported := flag.Bool("exported", false, "it is an exported folder")
	vkey := flag.String("vkey", "", "the verifier key that is believed")
	seen := flag.String("seen", "", "a checkpoint that was seen before")
	flag.Parse()
	if err := verify(*journal, *vkey, *seen, *exported); err != nil {
		fmt.Println("REFUSED:", err)
		os.Exit(3)
	}
}
