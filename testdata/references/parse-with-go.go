// Writes what github.com/distribution/reference makes of the texts in a list of verdicts; see README.md beside it.
package main

import (
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"os"
	"runtime/debug"

	"github.com/distribution/reference"
)

type file struct {
	Version  string             `json:"version"`
	Verdicts map[string]*string `json:"verdicts"`
}

func main() {
	var known file
	if err := json.NewDecoder(os.Stdin).Decode(&known); err != nil {
		panic(err)
	}
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == "github.com/distribution/reference" {
			known.Version = dependency.Version
		}
	}
	for text := range known.Verdicts {
		known.Verdicts[text] = nil
		if named, err := reference.ParseNormalizedNamed(text); err == nil {
			expanded := named.String()
			known.Verdicts[text] = &expanded
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	if err := out.Encode(known); err != nil {
		panic(err)
	}
}
