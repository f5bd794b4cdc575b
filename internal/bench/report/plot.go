package report

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// The plot's measures, in pixels.
const (
	labelWidth = 620
	plotWidth  = 400
	noteWidth  = 180
	rowHeight  = 22
	topMargin  = 44
)

// The axis reaches from a quarter of a bar to four times as good, on a logarithmic
// scale: twice as good and half as good lie equally far from the bar.
const reach = 4.0

// plot draws each line as what was measured against its bar: right of the middle
// it is met. Dots are the rounds.
func (r Report) plot() []byte {
	var svg bytes.Buffer
	width, height := labelWidth+plotWidth+noteWidth, topMargin+rowHeight*len(r.Lines)+16
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(&svg, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	for _, times := range []float64{1 / reach, 0.5, 1, 2, reach} {
		x := place(times)
		fmt.Fprintf(&svg, `<line x1="%.0f" y1="%d" x2="%.0f" y2="%d" stroke="%s"/>`, x, topMargin-8, x, height-12, axis(times))
		fmt.Fprintf(&svg, `<text x="%.0f" y="%d" text-anchor="middle" fill="#444444">%s</text>`+"\n", x, topMargin-14, tickText(times))
	}
	for i, l := range r.Lines {
		l.draw(&svg, topMargin+rowHeight*i)
	}
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

func (l Line) draw(svg *bytes.Buffer, y int) {
	colour := "#2e7d32"
	if !l.Met() {
		colour = "#c62828"
	}
	from, to := place(1), place(l.good(l.Value))
	middle := y + rowHeight/2
	fmt.Fprintf(svg, `<text x="%d" y="%d" text-anchor="end">%d  %s</text>`, labelWidth-12, middle+4, l.Row, html.EscapeString(l.What))
	fmt.Fprintf(svg, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, min(from, to), y+5, math.Abs(to-from), rowHeight-10, colour)
	for _, v := range l.Rounds {
		fmt.Fprintf(svg, `<circle cx="%.1f" cy="%d" r="2.5" fill="#222222" fill-opacity="0.6"/>`, place(l.good(v)), middle)
	}
	fmt.Fprintf(svg, `<text x="%d" y="%d">%s (%s)</text>`+"\n", labelWidth+plotWidth+12, middle+4, html.EscapeString(l.Figure()), html.EscapeString(l.Bound()))
}

// good is how many times as good as its bar a value is.
func (l Line) good(v float64) float64 {
	switch {
	case l.AtMost && v <= 0:
		return reach
	case l.AtMost:
		return l.Bar / v
	default:
		return v / l.Bar
	}
}

// place is the point of the axis at so many times as good as the bar.
func place(times float64) float64 {
	times = min(max(times, 1/reach), reach)
	return labelWidth + plotWidth/2*(1+math.Log(times)/math.Log(reach))
}

func axis(times float64) string {
	if times == 1 {
		return "#222222"
	}
	return "#dddddd"
}

func tickText(times float64) string {
	switch {
	case times == 1:
		return "bar"
	case times < 1:
		return fmt.Sprintf("1/%.0f", 1/times)
	default:
		return fmt.Sprintf("%.0f ×", times)
	}
}
