// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help teaches.
func (completionCmd) Help() string {
	return `Examples:
  source <(postern completion bash)
  postern completion zsh > "${fpath[1]}/_postern"
  postern completion fish > ~/.config/fish/completions/postern.fish`
}

// Run prints a script that completes commands and flags.
func (c *completionCmd) Run(s *streams, app *kong.Application) error {
	words := completions(app.Node)
	switch c.Shell {
	case "zsh":
		return s.printf("#compdef postern\nautoload -U +X bashcompinit && bashcompinit\n%s", bashScript(words))
	case "fish":
		return s.printf("%s", fishScript(words))
	}
	return s.printf("%s", bashScript(words))
}

// completion is what may follow the words of a command, such as "key list".
type completion struct {
	command string
	words   []string
	values  map[string][]string // of its own flags that take one of a few
}

func completions(app *kong.Node) []completion {
	var out []completion
	var visit func(n *kong.Node, command string, inherited []string)
	visit = func(n *kong.Node, command string, inherited []string) {
		flags := slices.Clone(inherited)
		values := map[string][]string{}
		for _, f := range n.Flags {
			if f.Hidden {
				continue
			}
			flags = append(flags, "--"+f.Name)
			if f.Tag.Negatable != "" {
				flags = append(flags, "--no-"+f.Name)
			}
			if few := noneEmpty(f.EnumSlice()); len(few) > 0 {
				values["--"+f.Name] = few
			}
		}
		var words []string
		for _, c := range n.Children {
			words = append(words, c.Name)
			visit(c, strings.TrimSpace(command+" "+c.Name), flags)
		}
		for _, p := range n.Positional {
			words = append(words, p.EnumSlice()...)
		}
		out = append(out, completion{command, append(noneEmpty(words), flags...), values})
	}
	visit(app, "", nil)
	slices.SortFunc(out, func(a, b completion) int { return strings.Compare(a.command, b.command) })
	return out
}

func noneEmpty(words []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
}

func bashScript(all []completion) string {
	var b strings.Builder
	b.WriteString(`_postern() {
  local cur="${COMP_WORDS[COMP_CWORD]}" command="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ "${COMP_WORDS[i]}" == -* ]] || command="${command:+$command }${COMP_WORDS[i]}"
  done
  local candidates last="${COMP_WORDS[COMP_CWORD-1]}"
  while :; do
    case "$command" in
`)
	for _, c := range all {
		fmt.Fprintf(&b, "      %q) candidates=%q", c.command, strings.Join(c.words, " "))
		for _, flag := range slices.Sorted(maps.Keys(c.values)) {
			fmt.Fprintf(&b, "\n        [[ \"$last\" != %s ]] || candidates=%q", flag, strings.Join(c.values[flag], " "))
		}
		b.WriteString("\n        break ;;\n")
	}
	b.WriteString(`    esac
    if [[ "$command" == *" "* ]]; then command="${command% *}"; else command=""; fi
  done
  COMPREPLY=($(compgen -W "$candidates" -- "$cur"))
}
complete -o default -F _postern postern
`)
	return b.String()
}

func fishScript(all []completion) string {
	var b strings.Builder
	for _, c := range all {
		cond := "__fish_use_subcommand"
		if c.command != "" {
			cond = "__fish_seen_subcommand_from " + strings.Join(strings.Fields(c.command), "; and __fish_seen_subcommand_from ")
		}
		for _, w := range c.words {
			if flag, ok := strings.CutPrefix(w, "--"); ok {
				fmt.Fprintf(&b, "complete -c postern -n '%s' -l %s", cond, flag)
				if few := c.values[w]; len(few) > 0 {
					fmt.Fprintf(&b, " -x -a '%s'", strings.Join(few, " "))
				}
				b.WriteString("\n")
			} else {
				fmt.Fprintf(&b, "complete -c postern -f -n '%s' -a %s\n", cond, w)
			}
		}
	}
	return b.String()
}
