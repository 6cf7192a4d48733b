// Lists the members of a tar as Go's archive/tar reads them: one JSON object a line, bytes in hexadecimal.
package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"os"
)

type member struct {
	Path    string            `json:"path"`
	Kind    string            `json:"kind"`
	Mode    int64             `json:"mode"`
	Owner   [2]int            `json:"owner"`
	Mtime   [2]int64          `json:"mtime"`
	Size    int64             `json:"size"`
	Sha256  string            `json:"sha256"`
	Link    string            `json:"link"`
	Device  [2]int64          `json:"device"`
	Records map[string]string `json:"records"`
}

func raw(text string) string {
	return hex.EncodeToString([]byte(text))
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	reader := tar.NewReader(file)
	lines := json.NewEncoder(os.Stdout)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, reader); err != nil {
			log.Fatal(err)
		}
		records := map[string]string{}
		for key, value := range header.PAXRecords {
			records[raw(key)] = raw(value)
		}
		err = lines.Encode(member{
			Path:    raw(header.Name),
			Kind:    string(rune(header.Typeflag)),
			Mode:    header.Mode,
			Owner:   [2]int{header.Uid, header.Gid},
			Mtime:   [2]int64{header.ModTime.Unix(), int64(header.ModTime.Nanosecond())},
			Size:    header.Size,
			Sha256:  hex.EncodeToString(hash.Sum(nil)),
			Link:    raw(header.Linkname),
			Device:  [2]int64{header.Devmajor, header.Devminor},
			Records: records,
		})
		if err != nil {
			log.Fatal(err)
		}
	}
}
