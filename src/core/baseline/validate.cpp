#include "core/baseline/validate.hpp"

#include <algorithm>
#include <array>

#include "base/ids.hpp"
#include "base/text.hpp"

namespace belay::baseline {
namespace {

using enum PatchFilterKey;
using fleet::PackageFormat;

// ssm.md §1.1. Where a limit is on characters, bytes are counted: never laxer than SSM.
constexpr std::size_t kRulesMax = 10, kFiltersMax = 4, kValuesMax = 20, kValueMax = 64, kPatchesMax = 50,
                      kPatchMax = 100;
constexpr std::size_t kDescriptionMax = 1024;
constexpr std::int32_t kDaysMax = 360;

std::string at(std::string_view field, std::size_t index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}
std::string key_text(PatchFilterKey key) { return boost::describe::enum_to_string(key, "?"); }

class Checker {
 public:
  explicit Checker(const PatchBaseline& baseline) : baseline_(baseline) {}

  std::vector<FieldError> run() {
    check_names();
    check_filters("GlobalFilters.PatchFilters", baseline_.global_filters, true);
    check_rules();
    check_patches("ApprovedPatches", baseline_.approved_patches);
    check_patches("RejectedPatches", baseline_.rejected_patches);
    check_sources();
    check_linux_only();
    return std::move(errors_);
  }

 private:
  void fail(std::string field, std::string message) { errors_.push_back({std::move(field), std::move(message)}); }

  void check_length(const std::string& field, std::string_view text, std::size_t min, std::size_t max) {
    if (text.size() < min || text.size() > max)
      fail(field, "has " + std::to_string(text.size()) + " characters; " + std::to_string(min) + " to " +
                      std::to_string(max) + " are allowed");
    if (!is_valid_utf8(text) || std::ranges::any_of(text, [](char c) { return c == '\0'; }))
      fail(field, "is not valid UTF-8 text");
  }

  void check_count(const std::string& field, std::size_t count, std::size_t min, std::size_t max) {
    if (count < min || count > max)
      fail(field, "has " + std::to_string(count) + " items; " + std::to_string(min) + " to " + std::to_string(max) +
                      " are allowed");
  }

  void check_name(const std::string& field, std::string_view text, std::size_t min, std::size_t max) {
    check_length(field, text, min, max);
    const auto known = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
             c == '.';
    };
    if (!std::ranges::all_of(text, known)) fail(field, "has a character other than letters, digits, '_', '-' and '.'");
  }

  void check_names() {
    if (!baseline_.id.empty() && !is_id("pb", baseline_.id)) fail("BaselineId", "is not pb- and 17 hexadecimal digits");
    check_name("Name", baseline_.name, 3, 128);
    if (!baseline_.description.empty()) check_length("Description", baseline_.description, 1, kDescriptionMax);
  }

  void check_filters(const std::string& field, const std::vector<PatchFilter>& filters, bool may_be_empty) {
    check_count(field, filters.size(), may_be_empty ? 0 : 1, kFiltersMax);
    const auto& allowed = allowed_filter_keys(baseline_.operating_system);
    for (std::size_t i = 0; i < filters.size(); ++i) {
      const std::string here = at(field, i);
      if (std::ranges::find(allowed, filters[i].key) == allowed.end())
        fail(here + ".Key", refused_key(filters[i].key, allowed));
      if (std::ranges::count(filters, filters[i].key, &PatchFilter::key) > 1 && is_first_of_its_key(filters, i))
        fail(here + ".Key",
             key_text(filters[i].key) + " stands more than once in the group; put all values into one filter");
      check_count(here + ".Values", filters[i].values.size(), 1, kValuesMax);
      for (std::size_t j = 0; j < filters[i].values.size(); ++j)
        check_length(at(here + ".Values", j), filters[i].values[j], 1, kValueMax);
    }
  }

  static bool is_first_of_its_key(const std::vector<PatchFilter>& filters, std::size_t index) {
    return std::ranges::find(filters, filters[index].key, &PatchFilter::key) ==
           filters.begin() + static_cast<std::ptrdiff_t>(index);
  }

  std::string refused_key(PatchFilterKey key, const std::vector<PatchFilterKey>& allowed) const {
    std::string names;
    for (const auto one : allowed) names += (names.empty() ? "" : ", ") + key_text(one);
    return key_text(key) + " is no filter of " + std::string(fleet::to_text(baseline_.operating_system)) + "; use " +
           names;
  }

  void check_rules() {
    const std::string field = "ApprovalRules.PatchRules";
    check_count(field, baseline_.approval_rules.size(), 0, kRulesMax);
    for (std::size_t i = 0; i < baseline_.approval_rules.size(); ++i) {
      const auto& rule = baseline_.approval_rules[i];
      check_filters(at(field, i) + ".PatchFilterGroup.PatchFilters", rule.filters, true);
      check_date(at(field, i), rule);
      if (rule.enable_non_security && !is_linux()) fail(at(field, i) + ".EnableNonSecurity", "is for Linux only");
    }
  }

  // One of the two. Debian, Ubuntu and Raspbian need none (SSM has no dates there); then it is approved at once.
  void check_date(const std::string& field, const PatchRule& rule) {
    if (rule.approve_after_days && rule.approve_until_date)
      fail(field + ".ApproveUntilDate", "stands beside ApproveAfterDays; only one of the two is allowed");
    const bool deb = fleet::package_format(baseline_.operating_system) == PackageFormat::deb;
    if (!rule.approve_after_days && !rule.approve_until_date && !deb)
      fail(field + ".ApproveAfterDays", "is missing; ApproveAfterDays or ApproveUntilDate is required");
    if (rule.approve_after_days && (*rule.approve_after_days < 0 || *rule.approve_after_days > kDaysMax))
      fail(field + ".ApproveAfterDays", "is " + std::to_string(*rule.approve_after_days) + "; 0 to " +
                                            std::to_string(kDaysMax) + " days are allowed");
    if (rule.approve_until_date &&
        (rule.approve_until_date->size() != 10 || !parse_iso8601(*rule.approve_until_date).ok()))
      fail(field + ".ApproveUntilDate", "is not a date; write YYYY-MM-DD");
  }

  void check_patches(const std::string& field, const std::vector<std::string>& patches) {
    check_count(field, patches.size(), 0, kPatchesMax);
    for (std::size_t i = 0; i < patches.size(); ++i) check_length(at(field, i), patches[i], 1, kPatchMax);
  }

  // A baseline whose repositories nobody uses would judge by others and not say so.
  void check_sources() {
    if (!baseline_.sources.empty())
      fail("Sources",
           "are not carried to nodes: a node is judged and patched by the repositories that it is configured with. "
           "Configure the repository on the hosts, and give an empty list or none");
  }

  void check_linux_only() {
    if (is_linux()) return;
    if (baseline_.approved_patches_enable_non_security) fail("ApprovedPatchesEnableNonSecurity", "is for Linux only");
  }

  bool is_linux() const { return fleet::package_format(baseline_.operating_system).has_value(); }

  const PatchBaseline& baseline_;
  std::vector<FieldError> errors_;
};

}  // namespace

const std::vector<PatchFilterKey>& allowed_filter_keys(OperatingSystem system) {
  static const std::vector<PatchFilterKey> windows{PRODUCT, PRODUCT_FAMILY, CLASSIFICATION, MSRC_SEVERITY, PATCH_SET};
  static const std::vector<PatchFilterKey> macos{PRODUCT, CLASSIFICATION};
  static const std::vector<PatchFilterKey> deb{PRODUCT, PRIORITY, SECTION};
  static const std::vector<PatchFilterKey> rpm{PRODUCT, CLASSIFICATION, SEVERITY};
  if (system == OperatingSystem::WINDOWS) return windows;
  if (system == OperatingSystem::MACOS) return macos;
  return fleet::package_format(system) == PackageFormat::deb ? deb : rpm;
}

std::vector<FieldError> validate(const PatchBaseline& baseline) { return Checker(baseline).run(); }

Status check(const PatchBaseline& baseline) {
  const auto errors = validate(baseline);
  if (errors.empty()) return {};
  return Error(Code::invalid_argument, errors.front().field + ": " + errors.front().message);
}

}  // namespace belay::baseline
