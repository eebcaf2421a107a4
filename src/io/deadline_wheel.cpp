#include "io/deadline_wheel.hpp"

#include <algorithm>

namespace belay::io {

DeadlineWheel::Slot::Slot(DeadlineWheel& wheel) : Entry(wheel) { previous_ = next_ = this; }

void DeadlineWheel::Entry::unlink() {
  if (!next_) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  previous_ = next_ = nullptr;
  --wheel_.linked_;
}

// The heads of the slots are entries too, but never have a deadline.
void DeadlineWheel::Entry::clear_deadline() {
  if (due_ms_ < 0) return;
  due_ms_ = -1;
  unlink();
}

DeadlineWheel::DeadlineWheel(std::function<Duration()> now, std::function<void(Duration)> arm)
    : now_(std::move(now)), arm_(std::move(arm)), done_tick_(now_().count() / kTickMs) {
  for (auto& slot : slots_) slot = std::make_unique<Slot>(*this);
}

void DeadlineWheel::set(Entry& entry, Duration from_now) {
  entry.due_ms_ = std::max<std::int64_t>(0, (now_() + std::max(from_now, Duration(0))).count());
  if (entry.next_ && entry.tick_ * kTickMs <= entry.due_ms_) return;  // comes up earlier, and is looked at then
  entry.unlink();
  link(entry);
}

void DeadlineWheel::link(Entry& entry) {
  if (linked_ == 0) done_tick_ = std::max(done_tick_, now_().count() / kTickMs);
  const std::int64_t wanted = entry.due_ms_ / kTickMs + 1;
  entry.tick_ = std::clamp(wanted, done_tick_ + 1, done_tick_ + kSlots - 1);
  Slot& slot = slot_of(entry.tick_);
  entry.previous_ = slot.previous_;
  entry.next_ = &slot;
  slot.previous_->next_ = &entry;
  slot.previous_ = &entry;
  ++linked_;
  if (armed_tick_ < 0 || entry.tick_ < armed_tick_) arm_for(entry.tick_);
}

void DeadlineWheel::arm_for(std::int64_t tick) {
  armed_tick_ = tick;
  arm_(Duration(tick * kTickMs));
}

void DeadlineWheel::fire() {
  armed_tick_ = -1;
  const std::int64_t now_ms = now_().count();
  // While the process slept (a suspended machine) whole turns may have passed: one is enough to see every slot.
  const std::int64_t last = now_ms / kTickMs;
  const std::int64_t first = std::max(done_tick_ + 1, last - kSlots + 1);
  for (std::int64_t tick = first; tick <= last; ++tick) {
    done_tick_ = tick;
    run_slot(slot_of(tick), now_ms);
  }
  arm_next();
}

// on_deadline may unlink any entry, so the list is never walked: always its first is taken. What is not due yet hangs
// itself into a later slot, and never into this one (done_tick_ has passed it).
void DeadlineWheel::run_slot(Slot& slot, std::int64_t now_ms) {
  while (slot.next_ != &slot) {
    Entry& entry = *slot.next_;
    entry.unlink();
    if (entry.due_ms_ > now_ms) {
      link(entry);
      continue;
    }
    entry.due_ms_ = -1;
    entry.on_deadline();
  }
}

void DeadlineWheel::arm_next() {
  if (linked_ == 0) return;
  for (std::int64_t tick = done_tick_ + 1; tick < done_tick_ + kSlots; ++tick) {
    const Slot& slot = slot_of(tick);
    if (slot.next_ == &slot) continue;
    if (armed_tick_ != tick) arm_for(tick);
    return;
  }
}

}  // namespace belay::io
