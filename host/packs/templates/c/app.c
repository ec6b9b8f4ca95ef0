// The component: one function for each function of the interfaces that the world in
// ../wit/actions.wit exports. `ostro pack build` puts their declarations in
// ../build/actions/actions.h. An instance lives for one call: what is not freed is gone with it.
#include "actions.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How `%.*s` takes a string of the component model.
#define TEXT(string) (int)(string).len, (const char *)(string).ptr

// Text in memory of its own, as results need it.
static actions_string_t format(const char *form, ...) {
  va_list arguments;
  va_start(arguments, form);
  int len = vsnprintf(NULL, 0, form, arguments);
  va_end(arguments);
  char *text = len < 0 ? NULL : malloc((size_t)len + 1);
  if (text == NULL) abort();
  va_start(arguments, form);
  vsnprintf(text, (size_t)len + 1, form, arguments);
  va_end(arguments);
  return (actions_string_t){(uint8_t *)text, (size_t)len};
}

static bool is_blank(const actions_string_t *text) {
  for (size_t i = 0; i < text->len; i++) {
    if (!isspace(text->ptr[i])) return false;
  }
  return true;
}

static bool equal(const actions_string_t *a, const actions_string_t *b) {
  return a->len == b->len && memcmp(a->ptr, b->ptr, a->len) == 0;
}

// True with `ret`, or false with `err`.
bool exports_{{snake}}_actions_greetings_greet(actions_string_t *name, bool *maybe_excited,
                                               actions_string_t *ret, actions_string_t *err) {
  if (is_blank(name)) {
    *err = format("there is nobody to greet: the name is empty");
    return false;
  }
  actions_string_t line = format("greeting %.*s", TEXT(*name));
  ostro_host_log_write(OSTRO_HOST_LOG_LEVEL_INFO, &line);
  bool excited = maybe_excited != NULL && *maybe_excited;
  *ret = format("hello %.*s%s", TEXT(*name), excited ? "!" : "");
  return true;
}

bool exports_{{snake}}_actions_checks_names_are_unique(
    actions_list_string_t *names, exports_{{snake}}_actions_checks_verdict_t *ret,
    actions_string_t *err) {
  ostro_validation_types_finding_t *findings = calloc(names->len + 1, sizeof *findings);
  if (findings == NULL) {
    *err = format("there is no memory for %zu names", names->len);
    return false;
  }
  size_t found = 0;
  for (size_t i = 0; i < names->len; i++) {
    size_t before = 0, all = 0;
    for (size_t j = 0; j < names->len; j++) {
      if (!equal(&names->ptr[i], &names->ptr[j])) continue;
      all++;
      before += j < i;
    }
    // One finding for each name, at the first place where it is.
    if (all < 2 || before > 0) continue;
    findings[found++] = (ostro_validation_types_finding_t){
        .subject = names->ptr[i],
        .message = format("it is there more than once"),
        .hint = {.is_some = true, .val = format("rename one")},
    };
  }
  ret->outcome = found > 0 ? OSTRO_VALIDATION_TYPES_OUTCOME_FAILED
                           : OSTRO_VALIDATION_TYPES_OUTCOME_PASSED;
  ret->summary = format("%zu of %zu names are there more than once", found, names->len);
  ret->findings = (ostro_validation_types_list_finding_t){findings, found};
  return true;
}
