#include "store/sql.hpp"

#include "base/text.hpp"

namespace belay::store {
namespace {

Status check_text(const Params& params) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (const auto* blob = std::get_if<Blob>(&params[i].content()); blob && blob->bytes.size() > kTextBytesMax)
      return Error(Code::resource_exhausted, "value " + std::to_string(i + 1) + " is larger than the store keeps");
    const auto* text = std::get_if<std::string>(&params[i].content());
    if (!text) continue;
    const std::string which = "value " + std::to_string(i + 1);
    if (text->size() > kTextBytesMax) return Error(Code::resource_exhausted, which + " is larger than the store keeps");
    if (text->find('\0') != std::string::npos || !is_valid_utf8(*text))
      return Error(Code::invalid_argument, which + " is no valid UTF-8 text", "text-invalid");
  }
  return {};
}

}  // namespace

const SqlValue& Row::at(std::size_t column) const {
  BELAY_ASSERT(column < values_.size());
  return values_[column];
}

std::int64_t Row::integer(std::size_t column) const {
  const auto* value = std::get_if<std::int64_t>(&at(column).content());
  BELAY_ASSERT(value != nullptr);
  return *value;
}

double Row::real(std::size_t column) const {
  const auto* value = std::get_if<double>(&at(column).content());
  return value ? *value : static_cast<double>(integer(column));
}

const std::string& Row::text(std::size_t column) const {
  const auto* value = std::get_if<std::string>(&at(column).content());
  BELAY_ASSERT(value != nullptr);
  return *value;
}

const std::string& Row::blob(std::size_t column) const {
  const auto* value = std::get_if<Blob>(&at(column).content());
  BELAY_ASSERT(value != nullptr);
  return value->bytes;
}

std::optional<Instant> Row::optional_instant(std::size_t column) const {
  if (is_null(column)) return std::nullopt;
  return instant(column);
}

std::optional<std::string> Row::optional_text(std::size_t column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

template <typename T>
Result<T> Sql::guarded(std::span<const Params> rows, const std::function<Result<T>()>& call) {
  if (failure_) return *failure_;
  for (const auto& params : rows)
    if (const Status valid = check_text(params); !valid.ok()) return failure_.emplace(valid.error());
  auto answer = call();
  if (!answer.ok()) failure_ = answer.error();
  return answer;
}

Result<std::int64_t> Sql::exec(std::string_view text, const Params& params) {
  return guarded<std::int64_t>(std::span(&params, 1), [&] { return do_exec(text, params); });
}

Result<Rows> Sql::query(std::string_view text, const Params& params) {
  return guarded<Rows>(std::span(&params, 1), [&] { return do_query(text, params); });
}

Result<std::optional<Row>> Sql::query_one(std::string_view text, const Params& params) {
  BELAY_TRY_ASSIGN(auto rows, query(text, params));
  if (rows.empty()) return std::optional<Row>();
  return std::optional<Row>(std::move(rows.front()));
}

Result<std::int64_t> Sql::exec_many(std::string_view text, std::span<const Params> rows) {
  if (rows.empty() && !failure_) return std::int64_t{0};
  return guarded<std::int64_t>(rows, [&] { return do_exec_many(text, rows); });
}

Result<std::vector<Rows>> Sql::query_many(std::string_view text, std::span<const Params> rows) {
  if (rows.empty() && !failure_) return std::vector<Rows>();
  return guarded<std::vector<Rows>>(rows, [&] { return do_query_many(text, rows); });
}

}  // namespace belay::store
