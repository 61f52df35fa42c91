#!/bin/sh
# A request that is held, refused by two people, appealed, let through by two others, published and deleted.
#
# PLATEMARK_API_KEY has to be an admin key: the project, its people and their keys are made here. Each decision takes
# effect after a minute, in which it could be undone; a server with PLATEMARK_REVIEW_UNDO=PT0S does not wait.
set -eu

project=$(platemark projects create "gallery $$ $(date +%s)")
app=$(platemark keys create app --project "$project" 2>/dev/null)

# A person with a key of their own; prints the key's secret.
person() {
  id=$(platemark people add "$1" --role "$2" --project "$project" | cut -d' ' -f1)
  platemark keys create "$1's key" --person "$id" --project "$project" 2>/dev/null
}
ada=$(person Ada reviewer)
ben=$(person Ben reviewer)
cleo=$(person Cleo admin)
dora=$(person Dora admin)

# as KEY COMMAND …
as() {
  (PLATEMARK_API_KEY=$1 && export PLATEMARK_API_KEY && shift && platemark "$@")
}

# decide KEY ACTION CODE …: the next case that this person may decide.
decide() {
  key=$1 action=$2 code=$3
  shift 3
  while case=$(as "$key" reviews claim 2>/dev/null | cut -d: -f1) && [ -z "$case" ]; do sleep 1; done
  as "$key" reviews decide "$case" "$action" --code "$code" "$@"
}

echo "--- before the request: a text is refused"
as "$app" generate "isis propaganda poster" 2>&1 || true

echo "--- after the response: a rule of the project refuses what came back"
cat >rules.yaml <<'RULES'
version: "gallery-1"
rules:
  - id: no-drawn-prints
    stages: [after_response]
    audiences: [print]
    when: operation == "text_to_image"
    reason_code: IP_COPYRIGHT
    decision: block
    owner: picture-desk
    note: What we print was photographed.
    tests:
      - fires: {stage: after_response, operation: text_to_image}
      - stays: {stage: before_publish, operation: text_to_image}
  - id: no-drawn-goods
    stages: [before_publish]
    audiences: [marketplace]
    when: operation == "text_to_image"
    reason_code: IP_TRADEMARK
    decision: block
    owner: picture-desk
    note: Goods are shown as they are.
    tests:
      - fires: {stage: before_publish, operation: text_to_image}
      - stays: {stage: after_response, operation: text_to_image}
RULES
platemark policy lint rules.yaml
policy=$(as "$cleo" policy create rules.yaml | cut -d' ' -f1)
as "$dora" policy activate "$policy"
as "$app" generate "a quiet street" --audience print --width 128 --height 128 2>&1 || true

echo "--- a request waits for a person"
generation=$(as "$app" generate "ballots being carried out of a hall at night, evidence photo" \
  --audience newsroom --width 128 --height 128 --json |
  sed -n 's/^  "id": "\(gen_[0-9a-f]*\)".*/\1/p') || true
as "$ada" reviews list
decide "$ada" reject ELECTION_INTEGRITY
decide "$ben" reject ELECTION_INTEGRITY

echo "--- appealed, and overturned by two others"
until as "$app" reviews appeal "$generation" --statement "It is a drawing for a play." 2>/dev/null; do sleep 1; done
decide "$cleo" overturn CONTEXT_ALLOWED --note "For a play."
decide "$dora" overturn CONTEXT_ALLOWED --note "For a play."
until image=$(as "$app" record "$generation" --json | grep -o 'img_[0-9a-f]*' | head -n 1) && [ -n "$image" ]; do
  sleep 1
done

echo "--- before publication: one audience is refused it, another one gets it from two people"
until as "$app" publish "$image" --audience newsroom || [ $? -eq 3 ]; do sleep 1; done
decide "$ben" approve CONTEXT_ALLOWED
decide "$ada" approve CONTEXT_ALLOWED
as "$app" publish "$image" --audience marketplace 2>&1 || true

echo "--- deleted; the story stays, and the chain is whole"
as "$app" delete "$image"
as "$dora" record "$image"
as "$dora" audit verify
