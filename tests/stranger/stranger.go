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

// The keys one after the other: each signs from `from` to the next one's `from`, both included.
type term struct {
	verifier note.Verifier
	from     int64
}

type keys []term

// The keys of the journal, if the believed one is among them: the others are believed because each
// key signed the checkpoint at which the next one took over (checkHandedOver). Without a list, the
// believed one alone.
func keysOf(journal, vkey string) (keys, error) {
	data, err := os.ReadFile(filepath.Join(journal, "vkeys"))
	if errors.Is(err, os.ErrNotExist) {
		verifier, err := note.NewVerifier(vkey)
		return keys{{verifier: verifier}}, err
	}
	if err != nil {
		return nil, err
	}
	var all keys
	believed := false
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		fields := strings.Split(line, " ")
		if len(fields) != 3 {
			return nil, errors.New("vkeys is unreadable")
		}
		verifier, err := note.NewVerifier(fields[0])
		if err != nil {
			return nil, err
		}
		from, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || (len(all) > 0 && from < all[len(all)-1].from) {
			return nil, errors.New("vkeys is out of order")
		}
		believed = believed || fields[0] == vkey
		all = append(all, term{verifier, from})
	}
	if !believed {
		return nil, errors.New("the believed key is none of the log's")
	}
	return all, nil
}

func (k keys) at(size int64) []note.Verifier {
	var all []note.Verifier
	for i, t := range k {
		if t.from <= size && (i+1 == len(k) || size <= k[i+1].from) {
			all = append(all, t.verifier)
		}
	}
	return all
}

func (k keys) checkHandedOver(notes [][]byte) error {
	for i := 1; i < len(k); i++ {
		both := false
		for _, text := range notes {
			lines := strings.SplitN(string(text), "\n", 3)
			if len(lines) != 3 || lines[1] != strconv.FormatInt(k[i].from, 10) {
				continue
			}
			opened, err := note.Open(text, note.VerifierList(k[i-1].verifier, k[i].verifier))
			both = both || (err == nil && len(opened.Sigs) == 2)
		}
		if !both {
			return fmt.Errorf("a key took over at %d without the one before it", k[i].from)
		}
	}
	return nil
}

func open(text []byte, k keys) (checkpoint, error) {
	lines := strings.SplitN(string(text), "\n", 4)
	if len(lines) != 4 {
		return checkpoint{}, errors.New("not a checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return checkpoint{}, err
	}
	opened, err := note.Open(text, note.VerifierList(k.at(size)...))
	if err != nil {
		return checkpoint{}, err
	}
	name := k[0].verifier.Name()
	if opened.Text != strings.Join(lines[:3], "\n")+"\n" || lines[0] != name {
		return checkpoint{}, errors.New("not a checkpoint of " + name)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return checkpoint{}, errors.New("not a root")
	}
	c := checkpoint{size: size}
	copy(c.root[:], root)
	return c, nil
}

// What the file min_index says: how many records were pruned, and which record tells of it.
func bound(journal string) (pruned, seq int, err error) {
	data, err := os.ReadFile(filepath.Join(journal, "min_index"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Sscanf(string(data), "%d %d\n", &pruned, &seq)
	return pruned, seq, err
}

// The records behind `pruned`: lines of segments; what a segment has from the next one's first seq
// on is void.
func records(journal string, pruned int) ([]string, error) {
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
		if first != pruned+len(all)+1 {
			return nil, fmt.Errorf("%s does not follow record %d", name, pruned+len(all))
		}
		end := int(^uint(0) >> 1)
		if i+1 < len(names) {
			end, _ = strconv.Atoi(strings.TrimSuffix(filepath.Base(names[i+1]), ".jsonl"))
		}
		for _, line := range strings.Split(strings.TrimRight(string(data), "\x00"), "\n") {
			if line != "" && pruned+len(all)+1 < end {
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

// The records behind the first `pruned` ones; `told` is the seq of the record that tells of these.
func checkRecords(all []string, pruned, told int, now checkpoint, reader tlog.HashReader) error {
	last := ""
	proved := pruned == 0
	for i, line := range all {
		index := int64(pruned + i)
		var fields struct {
			Seq    int64  `json:"seq"`
			Time   string `json:"timestamp_utc"`
			Kind   string `json:"kind"`
			Action string `json:"action"`
			Detail struct {
				MinIndex int `json:"min_index"`
			} `json:"detail"`
		}
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			return fmt.Errorf("record %d: %v", index+1, err)
		}
		if fields.Seq != index+1 || fields.Time < last {
			return fmt.Errorf("record %d is out of order", index+1)
		}
		last = fields.Time
		if index >= now.size {
			continue
		}
		proof, err := tlog.ProveRecord(now.size, index, reader)
		if err != nil {
			return err
		}
		err = tlog.CheckRecord(proof, now.size, now.root, index, tlog.RecordHash([]byte(line)))
		if err != nil {
			return fmt.Errorf("record %d: %v", index+1, err)
		}
		if tlog.CheckRecord(proof, now.size, now.root, index, tlog.RecordHash([]byte(line+"."))) == nil {
			return errors.New("a changed record passes")
		}
		proved = proved || (index+1 == int64(told) && fields.Kind == "action" &&
			fields.Action == "audit_pruned" && fields.Detail.MinIndex == pruned)
	}
	if int64(pruned+len(all)) < now.size {
		return fmt.Errorf("%d records, %d were signed", pruned+len(all), now.size)
	}
	if !proved {
		return fmt.Errorf("no record tells that the first %d were pruned", pruned)
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
	k, err := keysOf(journal, vkey)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(journal, "checkpoint"))
	if err != nil {
		return err
	}
	now, err := open(text, k)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: now.size, Hash: now.root}, tiles{journal})
	pruned, told, err := bound(journal)
	if err != nil {
		return err
	}
	var all []string
	if exported {
		all, err = bundles(journal, now.size)
	} else {
		all, err = records(journal, pruned)
	}
	if err != nil {
		return err
	}
	if err := checkRecords(all, pruned, told, now, reader); err != nil {
		return err
	}
	older, err := kept(journal)
	if err != nil {
		return err
	}
	if err := k.checkHandedOver(older); err != nil {
		return err
	}
	if seen != "" {
		text, err := os.ReadFile(seen)
		if err != nil {
			return err
		}
		older = append(older, text)
	}
	for _, text := range older {
		old, err := open(text, k)
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

// Every checkpoint that the journal kept.
func kept(journal string) ([][]byte, error) {
	var all [][]byte
	days, _ := filepath.Glob(filepath.Join(journal, "checkpoints", "*", "*", "*.notes"))
	for _, day := range days {
		data, err := os.ReadFile(day)
		if err != nil {
			return nil, err
		}
		parts := strings.Split(strings.TrimSuffix(string(data), "\n\n"), "\n\n")
		for i := 0; i+1 < len(parts); i += 2 {
			all = append(all, []byte(parts[i]+"\n\n"+parts[i+1]+"\n"))
		}
	}
	return all, nil
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
