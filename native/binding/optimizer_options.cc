#include "binding/optimizer_options.h"

#include <optional>

namespace resnet_torch::binding {

namespace {

/// Reads settings of a rule, numbers and switches, by name.
struct Reader {
  const Napi::Object& object;

  void operator()(const char* name, double& value) const { value = toNumber(object.Get(name), label(name)); }
  void operator()(const char* name, bool& value) const { value = toBoolean(object.Get(name), label(name)); }
  static std::string label(const char* name) { return std::string("optimizer.") + name; }
};

/// Tries the rows of the table from this one on.
template <std::size_t kRow = 0>
optim::Settings settingsOf(const std::string& kind, const Napi::Object& object, std::string known = "") {
  if constexpr (kRow == std::variant_size_v<optim::Settings>) {
    invalid("optimizer.kind", "one of " + known);
  } else {
    using Rule = std::variant_alternative_t<kRow, optim::Settings>;
    if (kind != Rule::kName)
      return settingsOf<kRow + 1>(kind, object, known + (known.empty() ? "" : ", ") + Rule::kName);
    Rule rule;
    Rule::settings(rule, Reader{object});
    return rule;
  }
}

}  // namespace

optim::Settings toOptimizer(const Napi::Object& object) {
  return settingsOf(toText(object.Get("kind"), "optimizer.kind"), object);
}

}  // namespace resnet_torch::binding
