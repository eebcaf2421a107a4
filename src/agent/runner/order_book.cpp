#include "agent/runner/order_book.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"

namespace belay::agent {
namespace {

constexpr json::Limits kLimits{.bytes_max = 32 << 20, .depth_max = 16};

template <typename T>
Result<std::optional<T>> read_optional(const io::Files& files, const std::string& path) {
  const auto text = files.read(path, kLimits.bytes_max);
  if (!text.ok() && text.error().code() == Code::not_found) return std::optional<T>();
  if (!text.ok()) return text.error();
  BELAY_TRY_ASSIGN(auto value, json::decode_text<T>(*text, kLimits).within(path));
  return std::optional<T>(std::move(value));
}

std::string report_path(const StatePaths& paths, const std::string& id) {
  return paths.order_directory(id) + "/report.json";
}

}  // namespace

bool OrderBook::knows(const std::string& id) const {
  return is_uuid(id) && (files_.info(paths_.order(id)).ok() || files_.info(paths_.archived(id)).ok());
}

Status OrderBook::add(const AcceptedOrder& accepted) {
  const auto& id = accepted.order.order_id;
  if (!is_uuid(id)) return Error(Code::invalid_argument, "order id '" + id + "' is no UUID");
  if (knows(id)) return {};
  const auto names = files_.list(paths_.orders());
  if (names.ok() && names->size() >= kOpenOrdersMax)
    return Error(Code::resource_exhausted, std::to_string(names->size()) + " orders are open on this node already");
  BELAY_TRY(files_.make_directories(paths_.order_directory(id), 0700));
  return files_.write_durable(paths_.order(id), json::encode_text(accepted), 0600)
      .within("order " + id + " cannot be kept");
}

Result<AcceptedOrder> OrderBook::load(const std::string& id) const {
  if (!is_uuid(id)) return Error(Code::invalid_argument, "order id '" + id + "' is no UUID");
  BELAY_TRY_ASSIGN(const auto text, files_.read(paths_.order(id), kLimits.bytes_max));
  return json::decode_text<AcceptedOrder>(text, kLimits).within("order " + id);
}

std::vector<AcceptedOrder> OrderBook::open() const {
  std::vector<AcceptedOrder> orders;
  const auto names = files_.list(paths_.orders());
  if (!names.ok()) return orders;
  for (const auto& name : *names) {
    // What was only removed may be back after a power cut; an order whose result is archived has ended all the same.
    if (files_.info(paths_.archived(name)).ok()) {
      if (const auto gone = files_.remove_tree(paths_.order_directory(name)); !gone.ok())
        log::warning("order_not_removed", {{"order", name}, {"why", gone.error()}});
      continue;
    }
    auto order = load(name);
    if (order.ok()) orders.push_back(std::move(*order));
    else log::warning("order_unreadable", {{"order", name}, {"why", order.error()}});
  }
  std::ranges::sort(orders, {}, [](const AcceptedOrder& a) { return std::pair(a.order.counter, a.accepted_at); });
  return orders;
}

Status OrderBook::ask_to_cancel(const std::string& id) {
  if (!is_uuid(id) || !files_.info(paths_.order(id)).ok()) return {};
  return files_.write_durable(paths_.cancel(id), "", 0600);
}

bool OrderBook::is_cancelled(const std::string& id) const { return files_.info(paths_.cancel(id)).ok(); }

Status OrderBook::write_report(const std::string& id, const wire::ScanReport& report) {
  return files_.write_durable(report_path(paths_, id), json::encode_text(report), 0600);
}

Status OrderBook::write_result(const std::string& id, const wire::OrderResult& result) {
  return files_.write_durable(paths_.result(id), json::encode_text(result), 0600)
      .within("the result of order " + id + " cannot be kept");
}

Result<std::optional<wire::ScanReport>> OrderBook::report(const std::string& id) const {
  return read_optional<wire::ScanReport>(files_, report_path(paths_, id));
}

Result<std::optional<wire::OrderResult>> OrderBook::result(const std::string& id) const {
  return read_optional<wire::OrderResult>(files_, paths_.result(id));
}

bool OrderBook::has_result(const std::string& id) const { return files_.info(paths_.result(id)).ok(); }

Status OrderBook::archive(const std::string& id) {
  BELAY_TRY(files_.make_directories(paths_.archive(), 0700));
  if (has_result(id)) BELAY_TRY(files_.rename_durable(paths_.result(id), paths_.archived(id)));
  BELAY_TRY(files_.remove_tree(paths_.order_directory(id)));
  BELAY_TRY_ASSIGN(const auto names, files_.list(paths_.archive()));
  if (names.size() <= kArchivedResultsMax) return {};
  std::vector<std::pair<Instant, std::string>> by_age;
  for (const auto& name : names)
    if (const auto info = files_.info(paths_.archive() + "/" + name); info.ok())
      by_age.emplace_back(info->modified, name);
  std::ranges::sort(by_age);
  for (std::size_t i = 0; i + kArchivedResultsMax < by_age.size(); ++i)
    BELAY_TRY(files_.remove(paths_.archive() + "/" + by_age[i].second));
  return {};
}

}  // namespace belay::agent
