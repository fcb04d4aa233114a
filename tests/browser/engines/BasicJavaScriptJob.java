package com.gargoylesoftware.htmlunit.javascript.background;

/**
 * A timer or a request of a page, in place of HtmlUnit's class: the one that is due first runs first. HtmlUnit's own order
 * runs all requests first. A page that polls always has one, so none of its timers would ever run.
 */
abstract class BasicJavaScriptJob implements JavaScriptJob {
  private final int delay;
  private final Integer period;
  private Integer id;
  private long due;

  BasicJavaScriptJob() {
    this(0, null);
  }

  BasicJavaScriptJob(int delay, Integer period) {
    this.delay = delay;
    this.period = period;
    due = System.currentTimeMillis() + delay;
  }

  public int getInitialDelay() {
    return delay;
  }

  @Override
  public Integer getId() {
    return id;
  }

  @Override
  public void setId(Integer id) {
    this.id = id;
  }

  @Override
  public long getTargetExecutionTime() {
    return due;
  }

  @Override
  public void setTargetExecutionTime(long time) {
    due = time;
  }

  @Override
  public Integer getPeriod() {
    return period;
  }

  @Override
  public boolean isPeriodic() {
    return period != null;
  }

  @Override
  public boolean isExecuteAsap() {
    return false;
  }

  @Override
  public int compareTo(JavaScriptJob other) {
    int byTime = Long.compare(due, other.getTargetExecutionTime());
    return byTime != 0 ? byTime : Integer.compare(id, other.getId());
  }
}
